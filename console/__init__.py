"""The console: where oversight staff read alerts, judge them and answer for it."""

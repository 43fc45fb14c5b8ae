"""What staff do about alerts: each decision is one transaction of ledger, rows and a message to send."""

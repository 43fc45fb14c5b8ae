"""The public figures: counted from the store, small counts withheld, as HTML, PDF and CSV."""

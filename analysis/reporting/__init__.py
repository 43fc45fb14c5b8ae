"""Reports as single pages: no script, nothing fetched, pictures in the page, readable without seeing them."""

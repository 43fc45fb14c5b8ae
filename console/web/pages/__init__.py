"""One router a file, found by its name `router`; each route declares its permission."""

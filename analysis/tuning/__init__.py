"""Which settings of a stanza tell most of what is known, at a number of alerts that staff can read."""

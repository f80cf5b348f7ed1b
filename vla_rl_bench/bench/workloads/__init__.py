"""One module a row of the table; each has ``rows(setting)``, which yields what it measured."""

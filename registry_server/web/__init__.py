"""The registry's pages for people: made on the server, of use without JavaScript."""

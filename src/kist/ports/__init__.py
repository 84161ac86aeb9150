"""The sockets: Protocol classes that say what the service needs and who owes what."""

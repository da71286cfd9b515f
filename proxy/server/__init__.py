"""The data plane: bytes in, exchanges driven, bytes out."""

"""Enumerations whose members are words, for people and for metric labels."""

from enum import StrEnum


class Word(StrEnum):
    """A word that is looked up as fast as a str: the hash of Enum is a function in Python."""

    __hash__ = str.__hash__

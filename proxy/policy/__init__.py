"""Decisions, one a file: policy and head in, a decision with its reason out. Pure."""

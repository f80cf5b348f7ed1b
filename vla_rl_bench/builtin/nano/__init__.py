"""The embedded policy: a transformer of 0.2 M parameters that answers with K x D action tokens in one forward."""

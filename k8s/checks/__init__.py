"""Holds what kustomize renders against itself, against the code it runs, and against other people's rules.

    python -m k8s.checks k8s/overlays/dev k8s/overlays/production     or an overlay of your own

`make manifests` makes the tools and does this. Each check is a function from manifests to a list of problems, each a
sentence that names the object.
"""

"""How images are built; `make image` runs it.

images       what is built: the Bento, the drift monitor's Bento, the image for training
engine       Docker or Podman, whichever answers
uv_folder    uv, its cache and this machine's index settings, lent to a build without becoming part of it
"""

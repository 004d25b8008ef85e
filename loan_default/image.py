"""What the container image of a Bento is made of, in BentoML's own terms; `deploy/images.py` builds it.

BentoML's default begins with compilers and git, 640 MB that nothing here needs: every package of the lock is a wheel.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentoml.images import Image

# The name is whole, so that Docker and Podman look for it in the same place; `deploy/base-image.sh` sees to it.
BASE_IMAGE = "docker.io/library/python:3.11-slim"


def slim_image() -> "Image":
    """Python and the packages that bentofile.yaml names, nothing else."""
    from bentoml.images import Image  # deferred: importing BentoML takes long, and training does without

    # No distribution: BentoML installs its compilers into those that it knows.
    return Image(base_image=BASE_IMAGE, distro="none", python_version="3.11", lock_python_packages=False)

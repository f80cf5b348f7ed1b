"""Conventions of actions and images: a vocabulary, and the comparison of a policy's with an environment's.

An environment declares its conventions in `ActionSpec` and `ImageSpec`; a policy that was trained elsewhere declares
those that it expects in `PolicyEntry.expects`.  If they differ, the robot would do the opposite of what the policy
means, without a crash; so it is an error before the run begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vla_rl_bench.types import EnvironmentSpec

# `ImageSpec.orientation`
ORIENTATIONS: Mapping[str, str] = {
    "upright": "as a person sees it who stands where the camera does; the first row is the top",
    "rotated-180": "turned by half a turn, as the LIBERO data sets of OpenVLA are",
    "upside-down": "first row at the bottom, left stays left: OpenGL's own order",
    "mirrored": "upright, with left and right exchanged",
}
# `ActionSpec.gripper`
GRIPPERS: Mapping[str, str] = {
    "none": "no dimension of the action is a gripper",
    "-1 opens, +1 closes": "LIBERO, robosuite, Meta-World",
    "-1 closes, +1 opens": "ManiSkill",
    "0 closes, 1 opens": "RoboTwin, ALOHA",
    "0 opens, 1 closes": "the share of the way to closed",
    "absolute: above 0 closed, else open": "two positions and nothing between them",
}
# `ActionSpec.rotation`
ROTATIONS: Mapping[str, str] = {
    "none": "no dimension of the action turns anything",
    "axis-angle delta": "a rotation vector, added to the present pose",
    "euler delta": "roll, pitch, yaw, added to the present pose",
    "axis-angle": "a rotation vector, the pose itself",
    "euler": "roll, pitch, yaw, the pose itself",
    "quaternion xyzw": "the pose itself, the real part last",
    "quaternion wxyz": "the pose itself, the real part first",
    "rotation-6d": "the first two columns of the rotation matrix",
    "joint positions": "targets of the joints, radians",
    "joint deltas": "changes of the joints' targets, radians",
}


@dataclass(frozen=True)
class Expectation:
    """Conventions that a policy expects of its environment.  None: any."""

    who: str  # the policy's name in messages
    dimensions: int | None = None  # of an action
    gripper: str | None = None  # of `GRIPPERS`
    rotation: str | None = None  # of `ROTATIONS`
    cameras: Mapping[str, str | None] = field(default_factory=dict)  # camera -> orientation; others do not matter
    proprio: int | tuple[str, ...] | None = None  # number of dimensions, or their names as in `EnvironmentSpec.proprio`
    # a sentence: what to do if something differs
    advice: str = "Choose an environment that the policy was trained for, or a policy that was trained for this one"


def differences(expected: Expectation, spec: EnvironmentSpec) -> Iterator[str]:
    """Compare a policy's conventions with an environment's.

    Yields:
        A sentence per difference, which names both sides.
    """
    yield from _of_actions(expected, spec)
    yield from _of_images(expected, spec)
    yield from _of_proprio(expected, spec)


def _of_actions(expected: Expectation, spec: EnvironmentSpec) -> Iterator[str]:
    who, action = expected.who, spec.action
    if expected.dimensions not in (None, action.dimensions):
        yield (
            f"`{who}` has actions of {expected.dimensions} dimensions, environment `{spec.name}` has "
            f"{action.dimensions}"
        )
    for word, expected_word, declared_word in (
        ("gripper", expected.gripper, action.gripper),
        ("rotation", expected.rotation, action.rotation),
    ):
        if expected_word not in (None, declared_word):
            yield f"`{who}` means {word} `{expected_word}`, environment `{spec.name}` declares `{declared_word}`"


def _of_images(expected: Expectation, spec: EnvironmentSpec) -> Iterator[str]:
    orientations = {image.name: image.orientation for image in spec.images}
    for camera, orientation in expected.cameras.items():
        if camera not in orientations:
            cameras = ", ".join(orientations) or "none"
            yield f"`{expected.who}` sees camera `{camera}`, environment `{spec.name}` has {cameras}"
        elif orientation not in (None, orientations[camera]):
            yield (
                f"`{expected.who}` sees camera `{camera}` {orientation}, environment `{spec.name}` gives it "
                f"{orientations[camera]}"
            )


def _of_proprio(expected: Expectation, spec: EnvironmentSpec) -> Iterator[str]:
    proprio = expected.proprio
    if proprio is None:
        return
    count = proprio if isinstance(proprio, int) else len(proprio)
    if count != len(spec.proprio):
        yield (
            f"`{expected.who}` reads {count} numbers of proprioception, environment `{spec.name}` gives "
            f"{len(spec.proprio)}"
        )
    elif isinstance(proprio, tuple):
        for number, (name, declared_name) in enumerate(zip(proprio, spec.proprio, strict=True)):
            if name != declared_name:
                yield (
                    f"`{expected.who}` reads proprioception {number} as `{name}`, environment `{spec.name}` gives "
                    f"`{declared_name}`"
                )
                return

"""The experts' privileged view of a task: its goal and the objects' poses, read from the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from vla_rl_bench_libero.geometry import Points, object_points, subtree

Predicate = Sequence[str]  # ("on", "bowl_1", "plate_1"), as parsed by LIBERO, in lower case


class Scene:
    """A read-only view of LIBERO's problem instance."""

    def __init__(self, instance: Any) -> None:
        """Wrap a problem instance (``OffScreenRenderEnv.env``)."""
        self.instance = instance
        self.model, self.data = instance.sim.model._model, instance.sim.data._data
        self.goal: list[Predicate] = list(instance.parsed_problem["goal_state"])

    def holds(self, predicate: Predicate) -> bool:
        """Check if a predicate is true now."""
        return bool(self.instance._eval_predicate(predicate))

    def unmet(self) -> list[Predicate]:
        return [predicate for predicate in self.goal if not self.holds(predicate)]

    def is_site(self, name: str) -> bool:
        """Check if a name is a region (the inside of a drawer, a patch of the table), not an object or fixture."""
        return name in self.instance.object_sites_dict

    def owner(self, site: str) -> str | None:
        """Return the object or fixture that a region belongs to; None for a patch of the table."""
        parent = self.instance.object_sites_dict[site].parent_name
        return parent if parent in self.instance.obj_body_id else None

    def joints(self, name: str) -> list[int]:
        """Return the joint ids of a region (a drawer's slide) or of a fixture (a door's hinge, a stove's knob)."""
        owner = self.instance.object_sites_dict[name] if self.is_site(name) else self.instance.get_object(name)
        return [self.instance.sim.model.joint_name2id(joint) for joint in owner.joints or ()]

    def hinged(self, joint: int) -> bool:
        """Check if a joint is a hinge (doors, knobs); drawers slide, and movable objects have free joints."""
        return bool(self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE)

    def joint_position(self, joint: int) -> float:
        """Return a joint's position, meters or radians."""
        return float(self.data.qpos[self.model.jnt_qposadr[joint]])

    def body(self, name: str) -> int:
        return int(self.instance.obj_body_id[name])

    def bodies(self, name: str) -> set[int]:
        """Return the ids of the bodies of an object or fixture."""
        return subtree(self.model, self.body(name))

    def position(self, name: str) -> Points:
        """Return a region's center or an object's origin, as predicates use it; meters, world."""
        if self.is_site(name):
            return np.array(self.instance.sim.data.get_site_xpos(name))
        return np.array(self.data.xpos[self.body(name)])

    def speed(self, name: str) -> float:
        """Return an object's speed, meters per second."""
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_BODY, self.body(name), velocity, 0)
        return float(np.linalg.norm(velocity[3:]))

    def axes(self, site: str) -> Points:
        """Return a region's rotation ``[3, 3]`` from its frame to the world."""
        return np.array(self.instance.sim.data.get_site_xmat(site)).reshape(3, 3)

    def half_extent(self, site: str) -> Points:
        """Return half the size of a region in its own frame, meters."""
        return np.asarray(self.instance.object_sites_dict[site].size, np.float64)

    def points(self, name: str) -> Points:
        """Return points on the collision geometry of an object or fixture, ``[N, 3]`` meters, world."""
        return object_points(self.instance, name)

    def body_geoms(self, bodies: set[int]) -> list[int]:
        """Return the collision geoms of `bodies`."""
        owners, groups = self.model.geom_bodyid, self.model.geom_group
        return [geom for geom in range(self.model.ngeom) if owners[geom] in bodies and groups[geom] == 0]

    def robot_bodies(self) -> set[int]:
        """Return the ids of the bodies of arm, hand and mount."""
        return {body for root in self._robot_roots() for body in subtree(self.model, root)}

    def _robot_roots(self) -> list[int]:
        names = [self.model.body(body).name for body in range(self.model.nbody)]
        prefixes = ("robot0_", "gripper0_", "mount0_", "fixed_mount0_")
        return [body for body, name in enumerate(names) if name.startswith(prefixes)]

    def joints_of_region(self, name: str) -> list[int]:
        """Return the joint ids of the drawer around a region; none for other regions and for objects."""
        return self.joints(name) if self.is_site(name) else []

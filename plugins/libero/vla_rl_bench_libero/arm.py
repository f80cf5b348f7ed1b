"""The Panda arm under robosuite's operational space controller, without its redundant forward passes."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from vla_rl_bench_libero.simulator import Vector


class Arm:
    """Feeds robosuite's own controller from ``mjData`` as ``mj_step1`` left it; the equations stay robosuite's."""

    def __init__(self, robot: Any) -> None:
        """robot: robosuite's SingleArm with an OSC_POSE controller."""
        self._robot, self._controller, self._gripper = robot, robot.controller, robot.gripper
        self._model, self._data = robot.sim.model._model, robot.sim.data._data
        self._site = robot.sim.model.site_name2id(robot.controller.eef_name)
        self._hand = robot.sim.model.body_name2id(robot.robot_model.eef_name)
        self._qpos, self._qvel = np.array(robot.controller.qpos_index), np.array(robot.controller.qvel_index)
        self._fingers = np.array(robot._ref_gripper_joint_pos_indexes)
        self._motors = np.array(robot._ref_joint_actuator_indexes)
        self._finger_motors = np.array(robot._ref_joint_gripper_actuator_indexes)
        self._low, self._high = (np.array(limit) for limit in robot.torque_limits)
        control = self._model.actuator_ctrlrange[self._finger_motors]
        self._finger_bias, self._finger_weight = control.sum(1) / 2, (control[:, 1] - control[:, 0]) / 2
        self._jacobian = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))
        self._mass = np.zeros((self._model.nv, self._model.nv))

    def actuate(self, action: Vector, new_goal: bool) -> None:
        """Write this substep's motor commands for `action` ``[7]``."""
        controller, data = self._controller, self._data
        if controller.new_update:  # False right after a reset: robosuite's first substep uses what the reset left
            self._update()
        if new_goal:
            controller.set_goal(action[:6])
        torques = np.minimum(np.maximum(controller.run_controller(), self._low), self._high)  # np.clip costs 5 us more
        fingers = self._gripper.format_action(action[6:])
        data.ctrl[self._finger_motors] = self._finger_bias + self._finger_weight * fingers
        data.ctrl[self._motors] = torques

    def pose(self) -> tuple[Vector, Vector, Vector]:
        """-> eef position [3] (metres, world), eef quaternion [4] (xyzw), finger joints [2] (metres)."""
        data = self._data
        w, x, y, z = data.xquat[self._hand]
        return data.site_xpos[self._site].copy(), np.array([x, y, z, w]), data.qpos[self._fingers].copy()

    def _update(self) -> None:
        """robosuite's Controller.update without its ``sim.forward()``: ``mj_step1`` has just computed all it reads."""
        controller, model, data = self._controller, self._model, self._data
        position, rotation = self._jacobian
        mujoco.mj_jacSite(model, data, position, rotation, self._site)
        mujoco.mj_fullM(model, data, self._mass)
        controller.ee_pos = data.site_xpos[self._site].copy()
        controller.ee_ori_mat = data.site_xmat[self._site].reshape(3, 3).copy()
        controller.ee_pos_vel, controller.ee_ori_vel = position @ data.qvel, rotation @ data.qvel
        controller.joint_pos, controller.joint_vel = data.qpos[self._qpos], data.qvel[self._qvel]
        # Indexed as robosuite does: columns chosen so lie in Fortran order, and BLAS rounds by the order.  A grasp
        # contact blows a difference of 1e-16 up to 1e-3 within two seconds.
        controller.J_pos, controller.J_ori = position[:, self._qvel], rotation[:, self._qvel]
        controller.J_full = np.concatenate([controller.J_pos, controller.J_ori])
        controller.mass_matrix = self._mass[self._qvel, :][:, self._qvel]
        controller.new_update = False

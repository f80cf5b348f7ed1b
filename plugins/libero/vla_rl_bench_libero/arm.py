"""The Panda arm under robosuite's operational space controller, without its redundant forward passes."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from vla_rl_bench_libero import osc
from vla_rl_bench_libero.simulator import Vector

_FINGERS = np.array([-1.0, 1.0])  # PandaGripper.format_action: -1 opens, 1 closes


class Arm:
    """The arm and its gripper: robosuite's own controller, fed from ``mjData`` after ``mj_step1``.

    All state of the controller is in its attributes, as in robosuite, and a `Snapshot` copies them.
    """

    def __init__(self, robot: Any) -> None:
        """robot: robosuite's SingleArm with an OSC_POSE controller and a PandaGripper."""
        self._controller, self._gripper = robot.controller, robot.gripper
        self._model, data = robot.sim.model._model, robot.sim.data._data
        self._data = data
        site = self._site = robot.sim.model.site_name2id(robot.controller.eef_name)
        self._hand = robot.sim.model.body_name2id(robot.robot_model.eef_name)
        self._qpos, self._dofs = np.array(robot.controller.qpos_index), np.array(robot.controller.qvel_index)
        self._fingers = np.array(robot._ref_gripper_joint_pos_indexes)
        self._motors = np.array(robot._ref_joint_actuator_indexes)
        self._finger_motors = np.array(robot._ref_joint_gripper_actuator_indexes)
        self._low, self._high = (np.array(limit, np.float64) for limit in robot.torque_limits)
        control = self._model.actuator_ctrlrange[self._finger_motors]
        self._finger_bias, self._finger_weight = control.sum(1) / 2, (control[:, 1] - control[:, 0]) / 2
        self._finger_change = np.zeros(2)
        # Views of mjData, which lives as long as the simulator: a lookup by name costs a microsecond.
        self._positions, self._velocities, self._ctrl, self._bias = data.qpos, data.qvel, data.ctrl, data.qfrc_bias
        self._site_position, self._site_rotation = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
        self._jacobian = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))
        self._mass = np.zeros((self._model.nv, self._model.nv))
        self._wrench, self._null = np.zeros(6), np.zeros(7)
        self._force, self._torque = np.zeros(3), np.zeros(3)
        # In Fortran order, as robosuite's are: BLAS rounds by the order, and a grasp contact amplifies a difference
        # of 1e-16 to 1e-3 within two seconds.
        self._lambda_pos, self._lambda_ori = np.zeros((3, 3), order="F"), np.zeros((3, 3), order="F")

    def actuate(self, action: Vector, new_goal: bool) -> None:
        """Write this substep's motor commands for `action` ``[7]``, which is the same until `new_goal`."""
        controller, gripper = self._controller, self._gripper
        if controller.new_update:  # False right after a reset: robosuite's first substep uses what the reset left
            self._update()
        if new_goal:
            controller.set_goal(action[:6])
            self._finger_change = _FINGERS * gripper.speed * np.sign(action[6:])
        self._run()
        fingers = np.empty(2)
        osc.move_fingers(
            gripper.current_action, self._finger_change, self._finger_bias, self._finger_weight, self._finger_motors,
            self._ctrl, fingers,
        )  # fmt: skip
        gripper.current_action = fingers

    def pose(self) -> tuple[Vector, Vector, Vector]:
        """Return the eef position [3] (meters, world), eef quaternion [4] (xyzw) and finger joints [2] (meters)."""
        data = self._data
        w, x, y, z = data.xquat[self._hand]
        return data.site_xpos[self._site].copy(), np.array([x, y, z, w]), data.qpos[self._fingers].copy()

    def _run(self) -> None:
        """Run robosuite's run_controller and write the torques to the motors."""
        c, wrench = self._controller, self._wrench
        osc.desired_wrench(
            c.goal_pos, c.goal_ori, c.ee_pos, c.ee_ori_mat, c.ee_pos_vel, c.ee_ori_vel, c.kp, c.kd,
            c.mass_matrix, c.J_full, c.J_pos, c.J_ori, c.initial_joint, c.joint_pos, c.joint_vel,
            self._force, self._torque, self._lambda_pos, self._lambda_ori, self._null,
        )  # fmt: skip
        np.dot(self._lambda_pos, self._force, out=wrench[:3])
        np.dot(self._lambda_ori, self._torque, out=wrench[3:])
        c.torques = np.dot(c.J_full.T, wrench)
        osc.write_torques(
            c.torques, self._null, self._bias, self._dofs, self._low, self._high, self._motors, self._ctrl
        )
        c.new_update = True

    def _update(self) -> None:
        """Run robosuite's Controller.update without ``sim.forward()``: ``mj_step1`` has computed all that it reads."""
        controller, model, data = self._controller, self._model, self._data
        position, rotation = self._jacobian
        mujoco.mj_jacSite(model, data, position, rotation, self._site)
        mujoco.mj_fullM(model, data, self._mass)
        controller.ee_pos, controller.ee_ori_mat = self._site_position.copy(), self._site_rotation.copy()
        controller.ee_pos_vel, controller.ee_ori_vel = position @ self._velocities, rotation @ self._velocities
        controller.joint_pos, controller.joint_vel = self._positions[self._qpos], self._velocities[self._dofs]
        osc.select_arm_columns(
            position, rotation, self._mass, self._dofs,
            controller.J_pos, controller.J_ori, controller.J_full, controller.mass_matrix,
        )  # fmt: skip
        controller.new_update = False

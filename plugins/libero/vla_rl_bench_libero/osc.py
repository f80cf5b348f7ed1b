"""robosuite's operational space controller, compiled: the same equations in the same order, for the same bits.

Products of a matrix and a vector that robosuite computes with NumPy are computed with NumPy (`arm.Arm`): another BLAS
rounds differently.  Names are those of ``robosuite.controllers.osc``; robosuite's compiled functions are called.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero import libero_api

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_control = libero_api.control_utils()
_orientation_error, _opspace_matrices = _control.orientation_error, _control.opspace_matrices
_nullspace_torques = _control.nullspace_torques


@numba.njit(cache=True)
def select_arm_columns(
    position: Floats, rotation: Floats, mass: Floats, dofs: Indices,
    j_pos: Floats, j_ori: Floats, j_full: Floats, mass_matrix: Floats,
) -> None:  # fmt: skip
    """Copy the arm's part of both Jacobians ``[3, nv]`` and the mass matrix ``[nv, nv]`` to the last four arguments."""
    for column, dof in enumerate(dofs):
        for row in range(3):
            j_pos[row, column] = j_full[row, column] = position[row, dof]
            j_ori[row, column] = j_full[3 + row, column] = rotation[row, dof]
        for row, row_dof in enumerate(dofs):
            mass_matrix[row, column] = mass[row_dof, dof]


@numba.njit(cache=True)
def desired_wrench(
    goal_pos: Floats, goal_ori: Floats, ee_pos: Floats, ee_ori_mat: Floats, ee_pos_vel: Floats, ee_ori_vel: Floats,
    kp: Floats, kd: Floats, mass_matrix: Floats, j_full: Floats, j_pos: Floats, j_ori: Floats,
    initial_joint: Floats, joint_pos: Floats, joint_vel: Floats,
    force: Floats, torque: Floats, lambda_pos: Floats, lambda_ori: Floats, null: Floats,
) -> None:  # fmt: skip
    """Write force, torque ``[3]``, decoupling matrices ``[3, 3]`` and null-space torques ``[7]`` to the last five."""
    error = _orientation_error(goal_ori, ee_ori_mat)
    for i in range(3):
        force[i] = (goal_pos[i] - ee_pos[i]) * kp[i] + (-ee_pos_vel[i]) * kd[i]
        torque[i] = error[i] * kp[3 + i] + (-ee_ori_vel[i]) * kd[3 + i]
    _, lambda_pos[:], lambda_ori[:], nullspace = _opspace_matrices(mass_matrix, j_full, j_pos, j_ori)
    null[:] = _nullspace_torques(mass_matrix, nullspace, initial_joint, joint_pos, joint_vel)


@numba.njit(cache=True)
def write_torques(
    torques: Floats, null: Floats, bias: Floats, dofs: Indices, low: Floats, high: Floats, motors: Indices, ctrl: Floats
) -> None:
    """Add gravity compensation and null-space torques to `torques` ``[7]``, and write them to `ctrl` within limits."""
    for i in range(len(torques)):
        torques[i] = (torques[i] + bias[dofs[i]]) + null[i]
        ctrl[motors[i]] = min(max(torques[i], low[i]), high[i])


@numba.njit(cache=True)
def move_fingers(
    current: Floats, change: Floats, bias: Floats, weight: Floats, motors: Indices, ctrl: Floats, action: Floats
) -> None:
    """Compute PandaGripper.format_action from `current` ``[1 or 2]`` to `action`, and Robot.grip_action to `ctrl`."""
    for i in range(len(action)):
        previous = current[i] if len(current) > 1 else current[0]  # one number after a reset
        action[i] = min(max(previous + change[i], -1.0), 1.0)
        ctrl[motors[i]] = bias[i] + weight[i] * action[i]

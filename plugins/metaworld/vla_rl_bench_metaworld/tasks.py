"""Meta-World's 50 tasks and its benchmarks, without importing it; a test compares both with the installed package.

Benchmarks: Meta-World 3.1.1, `metaworld.env_dict`.  Instructions are written by us after the paper's descriptions (Yu
et al., arXiv 1910.10897, appendix A); the package has none.  They name no direction of turning, since the descriptions
and the simulator disagree about it (Farama-Foundation/Metaworld issue 516).
"""

from __future__ import annotations

INSTRUCTIONS = {
    "assembly-v3": "put the ring onto the peg",
    "basketball-v3": "drop the ball into the basket",
    "bin-picking-v3": "move the cube from one bin into the other",
    "box-close-v3": "put the lid on the box",
    "button-press-topdown-v3": "press the button from above",
    "button-press-topdown-wall-v3": "reach over the wall and press the button from above",
    "button-press-v3": "press the button",
    "button-press-wall-v3": "reach past the wall and press the button",
    "coffee-button-v3": "press the button of the coffee machine",
    "coffee-pull-v3": "pull the mug away from the coffee machine",
    "coffee-push-v3": "push the mug under the coffee machine",
    "dial-turn-v3": "turn the dial",
    "disassemble-v3": "take the ring off the peg",
    "door-close-v3": "close the door",
    "door-lock-v3": "lock the door",
    "door-open-v3": "open the door",
    "door-unlock-v3": "unlock the door",
    "hand-insert-v3": "put the gripper into the hole",
    "drawer-close-v3": "close the drawer",
    "drawer-open-v3": "open the drawer",
    "faucet-open-v3": "open the faucet",
    "faucet-close-v3": "close the faucet",
    "hammer-v3": "drive the nail in with the hammer",
    "handle-press-side-v3": "press the handle down from the side",
    "handle-press-v3": "press the handle down",
    "handle-pull-side-v3": "pull the handle up from the side",
    "handle-pull-v3": "pull the handle up",
    "lever-pull-v3": "pull the lever",
    "pick-place-wall-v3": "carry the puck over the wall to the goal",
    "pick-out-of-hole-v3": "take the puck out of the hole",
    "pick-place-v3": "carry the puck to the goal",
    "plate-slide-v3": "slide the plate into the cabinet",
    "plate-slide-side-v3": "slide the plate sideways into the cabinet",
    "plate-slide-back-v3": "slide the plate out of the cabinet",
    "plate-slide-back-side-v3": "slide the plate sideways out of the cabinet",
    "peg-insert-side-v3": "put the peg into the hole from the side",
    "peg-unplug-side-v3": "pull the peg out sideways",
    "soccer-v3": "push the ball into the soccer goal",
    "stick-push-v3": "push the box with the stick",
    "stick-pull-v3": "pull the box with the stick",
    "push-v3": "push the puck to the goal",
    "push-wall-v3": "push the puck around the wall to the goal",
    "push-back-v3": "pull the puck back to the goal",
    "reach-v3": "move the gripper to the goal",
    "reach-wall-v3": "move the gripper around the wall to the goal",
    "shelf-place-v3": "put the cube onto the shelf",
    "sweep-into-v3": "sweep the cube into the hole",
    "sweep-v3": "sweep the cube off the table",
    "window-open-v3": "slide the window open",
    "window-close-v3": "slide the window shut",
}

_MT10 = (
    "reach",
    "push",
    "pick-place",
    "door-open",
    "drawer-open",
    "drawer-close",
    "button-press-topdown",
    "peg-insert-side",
    "window-open",
    "window-close",
)
_MT25 = (
    *_MT10,
    "coffee-pull",
    "pick-out-of-hole",
    "disassemble",
    "pick-place-wall",
    "basketball",
    "stick-pull",
    "button-press-wall",
    "faucet-open",
    "door-lock",
    "lever-pull",
    "sweep-into",
    "faucet-close",
    "coffee-button",
    "button-press-topdown-wall",
    "dial-turn",
)
_ML10_TRAIN = (
    "reach",
    "push",
    "pick-place",
    "door-open",
    "drawer-close",
    "button-press-topdown",
    "peg-insert-side",
    "window-open",
    "sweep",
    "basketball",
)
_ML10_TEST = ("drawer-open", "door-close", "shelf-place", "sweep-into", "lever-pull")

SUITES: dict[str, tuple[str, ...]] = {
    "mt10": tuple(f"{name}-v3" for name in _MT10),
    "mt25": tuple(f"{name}-v3" for name in _MT25),
    "mt50": tuple(INSTRUCTIONS),
    "ml10-train": tuple(f"{name}-v3" for name in _ML10_TRAIN),
    "ml10-test": tuple(f"{name}-v3" for name in _ML10_TEST),
}

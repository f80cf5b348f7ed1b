"""RoboTwin 1.0, branch `RoboTwin-1.0` of RoboTwin-Platform/RoboTwin, from a user's checkout (``ROBOTWIN1_ROOT``)."""

"""Channels from pre-activation to output, one a file; `base.py` holds the engine."""

from solvable.bricks.channels.base import (
    AbstractAnalyticChannel,
    AbstractChannel,
    AbstractOutputChannel,
    ChannelErrors,
    ChannelMoments,
    channel_errors,
    channel_moments,
    output_moments,
    predict_mean,
)
from solvable.bricks.channels.hidden import (
    AbstractHiddenChannel,
    HiddenAverages,
    HiddenMoments,
    hidden_averages,
)

__all__ = [
    "AbstractAnalyticChannel",
    "AbstractChannel",
    "AbstractHiddenChannel",
    "AbstractOutputChannel",
    "ChannelErrors",
    "ChannelMoments",
    "HiddenAverages",
    "HiddenMoments",
    "channel_errors",
    "channel_moments",
    "hidden_averages",
    "output_moments",
    "predict_mean",
]

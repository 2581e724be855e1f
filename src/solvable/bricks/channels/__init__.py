"""Channels from pre-activation to output, one a file; `base.py` holds the engine."""

from solvable.bricks.channels.base import (
    AbstractAnalyticChannel,
    AbstractChannel,
    AbstractHiddenChannel,
    AbstractOutputChannel,
    ChannelErrors,
    ChannelMoments,
    channel_errors,
    channel_moments,
    hidden_moments,
    output_moments,
    predict_mean,
)

__all__ = [
    "AbstractAnalyticChannel",
    "AbstractChannel",
    "AbstractHiddenChannel",
    "AbstractOutputChannel",
    "ChannelErrors",
    "ChannelMoments",
    "channel_errors",
    "channel_moments",
    "hidden_moments",
    "output_moments",
    "predict_mean",
]

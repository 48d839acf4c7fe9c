"""The parameters that each agent takes, as msgspec structs; the API shows them as JSON schema."""

from netra.catalog.params.base import Params
from netra.catalog.params.caching import (
    CACHE_POLICIES,
    CachingParams,
    PrefixBreakersParams,
    PromptCacheParams,
)
from netra.catalog.params.capacity import CapacityParams, CurrentFleet
from netra.catalog.params.demand import CommitmentParams, DemandParams
from netra.catalog.params.fitting import ServingFitParams
from netra.catalog.params.measuring import NoopParams
from netra.catalog.params.planning import BacktestParams, PlanParams
from netra.catalog.params.profiling import ProfileParams

__all__ = [
    "CACHE_POLICIES",
    "BacktestParams",
    "CachingParams",
    "CapacityParams",
    "CommitmentParams",
    "CurrentFleet",
    "DemandParams",
    "NoopParams",
    "Params",
    "PlanParams",
    "PrefixBreakersParams",
    "ProfileParams",
    "PromptCacheParams",
    "ServingFitParams",
]

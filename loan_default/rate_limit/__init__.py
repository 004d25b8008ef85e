"""How many applicants a key may have scored in a minute, whatever the number of calls.

`window.py` is the law: a sliding window made of two counts. `memory.py` counts in this process, `shared.py` in Redis by
the scripts of the `limits` library, which follow the same law; `limits.py` chooses, and bridges the time without Redis.
"""

from loan_default.rate_limit.limits import RateLimits
from loan_default.rate_limit.window import UNLIMITED, Allowance, headers

__all__ = ["UNLIMITED", "Allowance", "RateLimits", "headers"]

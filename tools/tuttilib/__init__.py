# SPDX-License-Identifier: BSD-3-Clause
"""What stands behind ./tutti: one module per job, Python's standard library only, Python 3.9 or later."""

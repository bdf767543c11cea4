"""The least that anybody must spend who emits what jobspan emits: plain SDK calls for jobs that succeed, and no more.

Nothing is guarded, cut over, retried, redacted or kept for after a death.
"""

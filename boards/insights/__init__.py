"""What guardian and conductor see in a workflow: who and what needs attention, and what to do about it.

``reading`` fetches the facts in a fixed number of queries; ``flow``, ``dependencies`` and ``agents`` are rules over
them and ``graph`` and ``load`` what they calculate with, all without queries; ``answer`` puts the findings in order.
"""

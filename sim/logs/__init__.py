"""Reading what real clusters leave behind: logs, audit logs, metrics.

From a file's bytes to a verdict:

- ``sources``: which files, of what kind. ``packing``: a file to the logs in it, as blocks of UTF-8.
- ``framing``: blocks to *records*: a line, a row of CSV, or a JSON document, each with the number of its line.
- ``torn``: lines that something broke are one record again. ``unwrap``: a record to what is in it: audit events,
  *entries* (a line of a log: time, level, message, values; ``entries``), or text that is neither. Wrappings are
  declared in ``envelopes``, other words for an audit event in ``dialects``; ``parts`` finds several lines in one text.
- ``audit``: an event to an ``AuditEvent``. ``controller_log``: what an entry says, as a ``LogLine``, from ``naming``
  (who, and which object) and ``conflicts``, the one rule for what a refusal is and which words speak of one.
- ``reader`` leads through these steps and accounts for every record; what it can't use is counted by reason. Two short
  cuts have the same outcome: an audit event that stands plain on its line goes to ``audit`` at once, and klog's lines
  that tell of nothing are summed up (``routine``).
- ``tally`` counts what streams by: ``refusals``, ``lost_updates`` and ``stuck`` what audit events tell, ``retold``,
  ``fates`` and ``causes`` what lines do. It ends in a ``logreport``, of which ``verdict``, ``advice`` and ``log_json``
  speak.

``requeue calibrate`` takes events and lines from ``reader`` (``read_mixed``), and metrics from ``prometheus``.
"""

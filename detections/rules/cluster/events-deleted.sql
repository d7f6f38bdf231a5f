/*---
id: events-deleted
title: Kubernetes events were deleted
techniques: [F12]
status: stable
severity: medium
confidence: high
attack: [T1070]
threat_matrix: [MS-TA9022]
layer: cluster
control: detection
practice: audit-logging
needs: {level: Metadata, verbs: [delete, deletecollection]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  few:
    default: 3
    why: Single events deleted within ten minutes before and after, up to which it is low.
why: >-
  Events go away by themselves after an hour. Whoever deletes them does not want others to see which pods were
  started, killed or refused.
blind_spots: >-
  Events that expire, or that are pushed out by many new ones. Policies that do not log events at all.
false_positives: >-
  Scripts that clear a namespace with everything in it.
triage:
  - What happened in that namespace in the hour before? This log still has it.
  - What else did the same identity do?
---*/
WITH deleted AS (
    SELECT * FROM deletions WHERE resource = 'events'
),
counted AS (
    SELECT *, count(*) FILTER (WHERE applied) OVER (PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at
                             RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING) AS near
    FROM deleted
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR (verb = 'delete' AND near <= $few) THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'deleted', 'delete') || CASE verb WHEN 'deletecollection' THEN 'all events' ELSE 'event ' || coalesce(name, '') END
           || coalesce(' in ' || namespace, ' in the whole cluster') || outcome(applied, response_code, decision, response_message) AS detail
FROM counted

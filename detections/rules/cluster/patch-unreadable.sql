/*---
id: patch-unreadable
title: Somebody sent patches that nobody can read
techniques: [N55]
status: stable
severity: low
confidence: low
attack: [T1562.008]
layer: cluster
control: detection
practice: audit-logging
needs: {level: Metadata, verbs: [patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  many:
    default: 5
    why: Such patches within ten minutes before and after, from which on it is medium.
why: >-
  Until Kubernetes 1.36 the body of a patch went into the audit event as it was. One that is no JSON could not be sent
  on, and took the whole batch of events with it. From 1.37 on such a patch is refused, and leaves this trace.
blind_spots: >-
  Where it works there is no event: see audit-gap, and apiserver_audit_error_total.
false_positives: >-
  Broken scripts and hand-written patches.
triage:
  - Which version does the cluster run? Up to 1.36, look for gaps in the same minute.
  - Does the identity usually send patches?
---*/
WITH refused AS (
    SELECT *, count(*) OVER (PARTITION BY cluster, user_name ORDER BY request_received_at
                             RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING) AS near
    FROM requests
    WHERE verb = 'patch' AND response_code = 400
      AND regexp_matches(lower(coalesce(response_message, '')), 'error (decoding|encoding) (patch|yaml)|invalid json patch|error converting yaml|error decoding|invalid character')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN near >= $many THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' sent a patch for ' || thing(resource, subresource, namespace, name) || ': ' || left(response_message, 200) AS detail
FROM refused

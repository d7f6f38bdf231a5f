/*---
id: session-into-many-pods
title: Somebody opened sessions into many pods, or a very long one
techniques: [N53]
status: stable
severity: medium
confidence: medium
attack: [T1609]
threat_matrix: [MS-TA9006]
layer: container
control: detection
practice: runtime
needs: {verbs: [get, create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_pods:
    default: 8
    why: Different pods within ten minutes.
why: >-
  Eight pods in ten minutes is a search; a terminal open for hours is a workplace.
blind_spots: >-
  Length is known once a session ends.
false_positives: >-
  On-call work.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
WITH opened AS (
    SELECT *, count(DISTINCT (namespace, name)) OVER near AS pods, epoch(stage_at) - epoch(request_received_at) AS seconds
    FROM exec_commands
    WHERE subresource IN ('exec', 'attach') AND coalesce(succeeded(response_code), true)
      AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' had a session in ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN seconds >= 1800 THEN ' for ' || round(seconds / 60)::BIGINT || ' minutes' ELSE ', one of ' || pods || ' pods within ten minutes' END AS detail
FROM opened WHERE pods >= $least_pods OR seconds >= 1800

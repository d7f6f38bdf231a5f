/*---
id: logs-harvested
title: Somebody read the logs of many pods
techniques: [C20]
status: stable
severity: low
confidence: medium
attack: [T1552, T1005]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [get]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_pods:
    default: 5
    why: Different pods whose logs one identity read within ten minutes.
why: >-
  Logs hold tokens, addresses and personal data; reading many in a row is collecting.
blind_spots: >-
  Log agents that read on the node are not in the audit log.
false_positives: >-
  Tools that follow the logs of a whole application.
triage:
  - Whose logs are they, and what stands in them?
  - Did the reader need them for their work?
---*/
WITH read AS (
    SELECT *, count(DISTINCT (namespace, name)) OVER near AS pods,  count(DISTINCT namespace) OVER near AS namespaces
    FROM requests
    WHERE resource = 'pods' AND subresource = 'log' AND verb = 'get' AND coalesce(succeeded(response_code), true)
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' read the log of ' || coalesce(namespace || '/', '') || coalesce(name, '') || ', one of ' || pods || ' pods within ten minutes' AS detail
FROM read WHERE pods >= $least_pods

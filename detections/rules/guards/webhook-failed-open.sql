/*---
id: webhook-failed-open
title: Objects were stored although a webhook did not answer
techniques: [N21]
status: stable
severity: low
confidence: high
attack: [T1562.001, T1499]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata, verbs: [create, update, patch, delete]}
window: 1h
entity: [webhook]
params:
  many:
    default: 20
    why: Requests that passed a webhook within ten minutes before and after, from which on it is medium and no mere restart.
why: >-
  A webhook whose failure is ignored lets everything pass while it is down. The kube-apiserver notes on each request
  which webhook it did without; whoever stops a policy engine first leaves exactly this trace.
blind_spots: >-
  A webhook that answers, and allows everything. A webhook whose configuration is gone fails no more.
false_positives: >-
  Restarts and upgrades of the software behind the webhook: few requests, soon over.
triage:
  - Is the software behind the webhook running? Since when not, and why?
  - Did somebody stop it (guard-workload-stopped, network policies, its service)?
  - Judge what was stored meanwhile by the policies afterwards.
---*/
WITH passed AS (
    SELECT *, CASE WHEN NOT contains(key, '"') THEN json_extract_string(annotations, '$."' || key || '"') END AS webhook
    FROM (
        SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, verb, resource, subresource, namespace, name, response_code, annotations,
               unnest(json_keys(annotations)) AS key
        FROM requests
        WHERE verb IN ('create', 'update', 'patch', 'delete') AND contains(annotations, '"failed-open.')
    )
    WHERE regexp_full_match(key, 'failed-open\.(validating|validation|mutation|mutating)\.webhook\.admission\.k8s\.io/.*')
),
counted AS (
    SELECT *, count(*) OVER (PARTITION BY cluster, webhook ORDER BY request_received_at
                             RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING) AS near
    FROM passed
)
SELECT cluster, event_id, request_received_at, webhook,
       CASE WHEN near >= $many THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, succeeded(response_code), CASE verb WHEN 'patch' THEN 'patched' ELSE verb || 'd' END, verb) || thing(resource, subresource, namespace, name)
           || ' while ' || webhook || ' did not answer' AS detail
FROM counted

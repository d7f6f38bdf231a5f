/*---
id: node-authorizer-probed
title: A node asked for what belongs to other nodes
techniques: [N08]
status: stable
severity: high
confidence: medium
attack: [T1613]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata}
window: 1h
entity: [user_name, source_ip]
params:
  least_objects:
    default: 3
    why: Different objects within ten minutes; a single one is a kubelet that is late, because its pod went away a moment ago.
why: >-
  The node authorizer lets a kubelet read what its own pods mount, and nothing else. A kubelet knows what its pods mount; only
  somebody else with its credential has to try.
blind_spots: >-
  What the node's own pods mount, which is readable from there.
false_positives: >-
  A kubelet that was cut off and comes back to find its pods moved.
triage:
  - Was the node cut off, or restarted, at that time?
  - What did the node get? Look at its requests for secrets and tokens.
  - Take the node out of service and give it a new certificate.
---*/
WITH refused AS (
    SELECT cluster, event_id, request_received_at, user_name, source_ip, verb,
           thing(resource, subresource, namespace, name) AS what, coalesce(nullif(decision_reason, ''), response_message) AS reason
    FROM requests
    WHERE response_code = 403 AND starts_with(user_name, 'system:node:') AND is_node(user_name, user_groups) AND impersonated_user_name IS NULL
      AND (contains(decision_reason, 'no relationship found between node') OR contains(decision_reason, 'can only')
           OR contains(response_message, 'is not allowed to modify') OR contains(response_message, 'on a different node') OR contains(response_message, 'can only'))
),
bursts AS (
    SELECT *, count(DISTINCT what) OVER near AS objects
    FROM refused
    WINDOW near AS (PARTITION BY cluster, user_name, source_ip ORDER BY request_received_at
                    RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       user_name || ' was refused to ' || verb || ' ' || what || ': ' || reason AS detail
FROM bursts
WHERE objects >= $least_objects

/*---
id: permission-enumeration
title: One identity was refused many different things
techniques: [A05, B09]
status: stable
severity: medium
confidence: medium
attack: [T1613, T1069.003]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, source_ip]
params:
  least_different:
    default: 6
    why: Different combinations of verb, resource and namespace within five minutes before and after.
  least_resources:
    default: 4
    why: Different resources among them.
why: >-
  Somebody with a stolen credential finds out what it can do by trying. Different resources count, not the
  number of refusals: a client that retries asks for the same thing again.
blind_spots: >-
  Trying slower than the threshold; asking with can-i instead of trying.
false_positives: >-
  A new workload whose role is too narrow, dashboards of people with few rights.
triage:
  - Does this identity usually do any of this? Look at its timeline for the day before.
  - Where does the credential come from (credential_id, source address)?
  - What was it allowed in the same hour?
---*/
WITH refused AS (
    SELECT *, concat_ws(' ', verb, concat_ws('/', resource, subresource), coalesce(namespace, '*')) AS asked
    FROM requests
    WHERE denied_by(response_code, decision, response_message) = 'authorization' AND user_name IS NOT NULL
      AND NOT is_anonymous(user_name, user_groups) AND resource IS NOT NULL
      AND NOT is_node(user_name, user_groups)
),
bursts AS (
    SELECT *,
           count(DISTINCT asked) OVER near AS different,
           count(DISTINCT resource) OVER near AS resources
    FROM refused
    WINDOW near AS (PARTITION BY cluster, user_name, source_ip ORDER BY request_received_at
                    RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND INTERVAL 5 MINUTES FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, source_ip, asked || ' was refused' AS detail
FROM bursts
WHERE different >= $least_different AND resources >= $least_resources

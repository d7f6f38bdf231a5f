/*---
id: secret-read-denied
title: Somebody was refused secrets, or guessed their names
techniques: [B02, B09, A08]
status: stable
severity: medium
confidence: medium
attack: [T1552.007, T1613]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [secrets], verbs: [get, list, watch]}
window: 1h
entity: [user_name, source_ip]
params:
  least_secrets:
    default: 3
    why: Different secrets or namespaces within fifteen minutes before and after.
why: >-
  Trying secrets that one may not read is rarely an accident when it is several of them; a secret that does
  not exist, asked for by somebody who may read it, is a guess. A node is told exactly which secrets are its
  own, so being refused one is wrong already.
blind_spots: >-
  One or two attempts. A read that succeeds is judged by other rules.
false_positives: >-
  A new workload whose role lacks a right; a deployment that looks for secrets that are not there yet.
triage:
  - Is the identity meant to read secrets at all?
  - 'For a node: is the kubelet''s credential used from the node''s own address?'
  - What did the same address do before and after?
---*/
WITH refused AS (
    SELECT *, coalesce(namespace, '*') || '/' || coalesce(name, '*') AS secret
    FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND verb IN ('get', 'list', 'watch')
      AND (denied_by(response_code, decision, response_message) = 'authorization' OR (response_code = 404 AND decision = 'allow'))
      AND user_name IS NOT NULL AND NOT is_anonymous(user_name, user_groups)
      -- kubectl apply asks first and creates then: whoever makes the secret was not guessing its name.
      AND NOT (response_code = 404 AND EXISTS (
          SELECT 1 FROM requests AS made
          WHERE made.resource = 'secrets' AND made.verb IN ('create', 'patch') AND made.response_code = 201
            AND made.cluster = requests.cluster AND made.user_name = requests.user_name
            AND made.namespace = requests.namespace AND made.name = requests.name
            AND made.request_received_at BETWEEN requests.request_received_at AND requests.request_received_at + INTERVAL 1 MINUTE))
),
bursts AS (
    SELECT *, count(DISTINCT secret) OVER (
        PARTITION BY cluster, user_name, source_ip ORDER BY request_received_at
        RANGE BETWEEN INTERVAL 15 MINUTES PRECEDING AND INTERVAL 15 MINUTES FOLLOWING) AS secrets
    FROM refused
)
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       CASE WHEN starts_with(user_name, 'system:node:') AND secrets >= 2 THEN 'high' END AS severity,
       verb || ' secret ' || secret || CASE WHEN response_code = 404 THEN ' does not exist' ELSE ' was refused' END AS detail
FROM bursts
WHERE secrets >= $least_secrets OR (starts_with(user_name, 'system:node:') AND verb IN ('list', 'watch'))
   OR (starts_with(user_name, 'system:node:') AND secrets >= 2)

/*---
id: failed-authentication-burst
title: Many credentials were refused from one address
techniques: [A04]
status: stable
severity: medium
confidence: medium
attack: [T1110, T1078]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, stages: [ResponseStarted]}
window: 1h
entity: [source_ip]
params:
  least_refusals:
    default: 10
    why: Refused credentials within five minutes before and after.
why: >-
  Guessing tokens, or trying a list of stolen ones, leaves one refused authentication after another. They
  carry no user, so any rule that filters on users is blind to them.
blind_spots: >-
  Guesses below the threshold, or from many addresses.
false_positives: >-
  An expired kubeconfig or a token that outlived its key, in a client that retries quickly.
triage:
  - Is it one path over and over (a stale client) or many (somebody tries things)?
  - Did the same address succeed afterwards, and as whom?
  - Which method failed? response_message of the evidence names it.
---*/
WITH refused AS (
    -- Failed authentication is logged at ResponseStarted only, without a user.
    SELECT *,
           count(*) OVER (PARTITION BY cluster, source_ip ORDER BY request_received_at
                          RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND INTERVAL 5 MINUTES FOLLOWING) AS near
    FROM requests
    WHERE response_code = 401
)
SELECT cluster, event_id, request_received_at, source_ip,
       'credential refused at ' || uri_path(request_uri) AS detail
FROM refused
WHERE near >= $least_refusals

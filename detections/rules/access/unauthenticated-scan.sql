/*---
id: unauthenticated-scan
title: Somebody without a credential tried many paths
techniques: [A03]
status: stable
severity: medium
confidence: high
attack: [T1595.003, T1613, T1046]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata}
window: 1h
entity: [source_ip]
params:
  least_paths:
    default: 6
    why: Different paths within five minutes before and after; a health checker asks one or two.
  least_refusals:
    default: 3
    why: How many of those requests were refused.
why: >-
  Scanners and worms map what a cluster shows before anything else happens. Seen from the inside of a network
  it means that somebody is in there.
blind_spots: >-
  A scan slower than the threshold, or spread over many addresses.
false_positives: >-
  Load balancers and monitoring that ask several non-health paths without a credential.
triage:
  - Is the address yours (a vulnerability scanner, a load balancer)?
  - Did any of the paths answer 200? See anonymous-request-allowed.
  - If the API server is reachable from the internet, restrict who can reach it.
---*/
WITH tries AS (
    SELECT *, coalesce(response_code >= 400, false) AS refused
    FROM requests
    WHERE is_anonymous(user_name, user_groups) OR (user_name IS NULL AND response_code = 401)
),
bursts AS (
    -- Five minutes on either side: every request of a short burst sees the whole of it.
    SELECT *,
           count(DISTINCT uri_path(request_uri)) OVER near AS paths,
           count(*) FILTER (WHERE refused) OVER near AS refusals
    FROM tries
    WINDOW near AS (PARTITION BY cluster, source_ip ORDER BY request_received_at
                    RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND INTERVAL 5 MINUTES FOLLOWING)
)
SELECT cluster, event_id, request_received_at, source_ip,
       verb || ' ' || uri_path(request_uri) || ' answered ' || coalesce(response_code::VARCHAR, 'nothing') AS detail
FROM bursts
WHERE paths >= $least_paths AND refusals >= $least_refusals

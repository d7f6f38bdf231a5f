/*---
id: listed-address-seen
title: A request came from an address on a list of bad ones
techniques: [A10]
status: stable
severity: high
confidence: medium
attack: [T1090.003]
threat_matrix: [MS-TA9024]
layer: cluster
control: detection
practice: network
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  bad_addresses:
    why: Addresses that nobody of yours comes from, such as a list of Tor exits.
why: >-
  Addresses of anonymising networks and of known attackers have no business at an API server.
blind_spots: >-
  Only as good as the list. The last hop alone is judged: earlier ones can be forged to accuse others.
false_positives: >-
  Shared exits of offices and VPNs.
triage:
  - What did this address do (pivot by address)?
  - Which credential did it use? End it.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN response_code IN (401, 403) THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' came from ' || source_ip || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE list_contains($bad_addresses, source_ip)

/*---
id: impersonation-denied
title: Somebody was refused to act as somebody else
techniques: [N11]
status: stable
severity: high
confidence: high
attack: [T1134]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, source_ip]
why: >-
  A refused impersonation leaves no trace but its message: no annotation, no impersonated user. Nobody tries
  to be system:masters by accident.
blind_spots: >-
  The wording of the message differs between versions of Kubernetes; two are known here.
false_positives: >-
  A misconfigured access proxy.
triage:
  - Whom did they try to be? The message says.
  - Is the credential in the right hands? Look at its addresses.
  - What did they try next?
---*/
SELECT cluster, event_id, request_received_at, user_name, source_ip, response_message AS detail
FROM requests
WHERE denied_by(response_code, decision, response_message) = 'impersonation'

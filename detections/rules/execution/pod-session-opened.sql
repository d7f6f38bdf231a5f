/*---
id: pod-session-opened
title: Somebody opened a session into a pod
techniques: [C01, C03, C04]
status: stable
severity: low
confidence: high
attack: [T1609]
threat_matrix: [MS-TA9006]
layer: container
control: detection
practice: runtime
needs: {verbs: [get, create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  exec, attach and port-forward leave the declared world: from here on the audit log shows only that the door
  was opened.
blind_spots: >-
  What is typed into the session. Sessions that go to the kubelet directly.
false_positives: >-
  People debugging; some operators and health checks run commands in pods.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'informational' WHEN subresource = 'portforward' THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' opened ' || subresource || ' on ' || coalesce(namespace || '/', '') || coalesce(name, '')
           || CASE WHEN len(command) > 0 THEN ': ' || array_to_string(command, ' ')[:120] WHEN tty THEN ', a terminal' ELSE '' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM exec_commands

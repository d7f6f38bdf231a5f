/*---
id: attack-tool-user-agent
title: A client says that it is a tool for attacking clusters
techniques: [A14]
status: stable
severity: medium
confidence: medium
attack: [T1613, T1595]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: audit-logging
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
claims: [user_agent]
why: >-
  Most people do not rename their tools. A scanner that says its name is either a test or somebody careless.
blind_spots: >-
  A tool that says something else: one word changes it.
false_positives: >-
  Authorised tests.
triage:
  - Was a test announced?
  - Which credential does it use, and what did it find?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' as ' || user_agent[:80] || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE regexp_matches(user_agent, '(?i)kube-?hunter|kube-?bench|peirates|kdigger|access[-_]?matrix|rakkess|trufflehog|azurehound|kubeletctl|micro-?scanner|kali|nuclei|nikto|sqlmap|masscan|zgrab|gobuster|ffuf|feroxbuster|deepce|botb|cdk/|stratus-red-team|kubesploit|kube-?dumper')

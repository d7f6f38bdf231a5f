/*---
id: suspicious-command-in-pod
title: A command of an attacker was run in a pod
techniques: [C05, C06, C07, B20, B21, B22]
status: stable
severity: high
confidence: medium
attack: [T1609, T1059, T1552.007, T1552.005]
threat_matrix: [MS-TA9026]
layer: container
control: detection
practice: runtime
needs: {verbs: [get, create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Reverse shells, reads of service-account tokens and of the cloud's metadata, downloads and hidden code stand
  in the command of an exec: the request itself carries them.
blind_spots: >-
  Interactive shells carry no command. Spellings that avoid these patterns; base64 and globbing are called
  suspicious where they are piped into a shell.
false_positives: >-
  Copying files with kubectl cp, and scripts of operators that read their own token.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
WITH spoken AS (
    SELECT *, array_to_string(command, ' ') AS line FROM exec_commands WHERE subresource = 'exec' AND len(command) > 0
),
told AS (
    SELECT *, CASE
        WHEN regexp_matches(line, '/dev/(tcp|udp)/|\b(nc|ncat|netcat)\b[^|;]*\s(-[a-z]*e|--exec|-c)\b|mkfifo .*\b(nc|ncat|openssl)\b|socat .*(exec|system):|pty\.spawn|os\.dup2') THEN 'a reverse shell'
        WHEN regexp_matches(line, '169\.254\.169\.254|169\.254\.170\.2|2852039166|0xa9fea9fe|\[?fd00:ec2::254|metadata\.google\.internal|computeMetadata/v1|metadata/identity/oauth2|latest/(api/token|meta-data|user-data)|100\.100\.100\.200') THEN 'a look at the cloud''s metadata'
        WHEN regexp_matches(line, 'serviceaccount/token|/run/secrets|/v[^ ]*/r[^ ]*/s[^ ]*crets|/etc/shadow|\.kube/config|\.aws/credentials|\.ssh/id_|/var/lib/kubelet|/etc/kubernetes|/proc/[^ ]*/environ|\.docker/config\.json') THEN 'a read of credentials'
        WHEN regexp_matches(line, 'base64\s+(-d|--decode|-D)[^|]*\|\s*(ba|z|da)?sh\b|(curl|wget)\b[^;&]*\|\s*(ba|z|da)?sh\b|python[0-9.]*\s+-c\s+.*(b64decode|exec\()|(curl|wget)\b.*(&&|;)\s*chmod') THEN 'code run from elsewhere'
        WHEN regexp_matches(line, '\bnsenter\b|\bchroot\s+/(host|mnt|node)|release_agent|core_pattern|docker\.sock|containerd\.sock') THEN 'a way out of the container'
        WHEN command[1] = 'tar' AND (list_contains(command, 'cf') OR list_contains(command, 'xmf') OR list_contains(command, '-xmf') OR list_contains(command, '-cf')) THEN 'a copy of files'
        WHEN regexp_matches(line, '\b(kubectl|curl|wget|nmap|masscan|peirates|amicontained|deepce|linpeas|kubeletctl|crictl|ctr)\b') THEN 'a tool'
        END AS what
    FROM spoken
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN what IN ('a copy of files', 'a tool') THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' ran ' || what || ' in ' || coalesce(namespace || '/', '') || coalesce(name, '') || ': ' || line[:160] || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM told WHERE what IS NOT NULL

/*---
id: suspicious-container-command
title: A container is started with a command of an attacker
techniques: [C09]
status: stable
severity: high
confidence: medium
attack: [T1059, T1610]
threat_matrix: [MS-TA9018]
layer: container
control: detection
practice: runtime
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Reverse shells, downloads piped into a shell, and code hidden in base64 stand in the command of the workload
  itself: it begins with the pod and comes back with every restart.
blind_spots: >-
  What the image itself runs; commands spelt to avoid these patterns. Pods that never pass the kube-apiserver's
  audit log (static pods), and what an admission webhook adds where the level hides the stored object.
false_positives: >-
  Bootstrap scripts that download their own installer, and node debugging by administrators.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
WITH told AS (
    SELECT *, CASE
        WHEN regexp_matches(command_line, '/dev/(tcp|udp)/|\b(nc|ncat|netcat)\b[^|;]*\s(-[a-z]*e|--exec|-c)\b|mkfifo .*\b(nc|ncat|netcat|openssl)\b|socat .*(exec|system):|bash -i >&|pty\.spawn|socket\.socket\(.*(subprocess|os\.dup2)|0<&\d+-?;') THEN 'a reverse shell'
        WHEN regexp_matches(command_line, '(curl|wget)\b[^;&]*\|\s*(sudo\s+)?([a-z/]*/)?(ba|z|da|a)?sh\b|(ba|z|da|a)?sh\s+(-c\s+)?["'']?(\$|<)?\(\s*(curl|wget)|(curl|wget)\b.*(&&|;)\s*chmod\s+([a-z]*\+x|[0-7]+)') THEN 'a download run as a program'
        WHEN regexp_matches(command_line, 'base64\s+(-d|--decode|-D)[^|]*\|\s*(sudo\s+)?([a-z/]*/)?(ba|z|da|a)?sh\b|\|\s*base64\s+(-d|--decode)|eval\s+.*base64|python[0-9.]*\s+-c\s+.*(b64decode|exec\()') THEN 'hidden code'
        WHEN regexp_matches(command_line, '\bnsenter\b.*(-t|--target)[ =]?1\b|\bchroot\s+/(host|mnt|node)|/proc/1/root|release_agent|core_pattern') THEN 'a way out of the container'
        WHEN regexp_matches(command_line, 'serviceaccount/token\b[^;&]*\|[^;&]*\b(curl|wget|nc|ncat|socat)\b|\b(curl|wget)\b.*(@|=)/(var/)?run/secrets/kubernetes\.io/serviceaccount') THEN 'its service account''s token sent away'
        END AS what
    FROM workload_containers
    WHERE length(command_line) > 8
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' whose ' || container_kind || ' ' || container_name || ' starts with ' || what || outcome_words AS detail
FROM told WHERE what IS NOT NULL

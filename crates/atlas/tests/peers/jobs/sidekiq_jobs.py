"""Jobs in Sidekiq's shape, its keys and commands without its Ruby: `sidekiq_jobs.py add PORT FOLDER`, `… work …`.

Jobs are JSON in lists `queue:NAME`, those of later in the sorted sets `schedule` and `retry`, out of which a script takes what
is due. The queue `critical` is read as by a reliable fetcher: BRPOPLPUSH into a list of the worker's own, where a killed worker
finds its job again; the queue `default` as by the plain one, BRPOP, whose job dies with its worker.
"""

import json
import sys
import time

import redis

import jobs

what, port, folder = sys.argv[1:4]
connection = redis.Redis(port=int(port), decode_responses=True)
PRIVATE = "queue:sq|worker"
TAKE_DUE = """
local due = redis.call('zrangebyscore', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)
if due[1] then
  redis.call('zrem', KEYS[1], due[1])
  return due[1]
end
return false
"""


def push(job):
    pipeline = connection.pipeline(transaction=False)
    pipeline.sadd("queues", job["queue"])
    pipeline.lpush("queue:" + job["queue"], json.dumps(job))
    pipeline.execute()


def send(number):
    job = {
        "class": "Work",
        "args": [number],
        "jid": f"{number:024x}",
        "retry": True,
        "queue": "critical" if number % 2 == 0 else "default",
        "created_at": time.time(),
    }
    if number % 5 == 0:
        connection.zadd("schedule", {json.dumps(job): time.time() + 0.2})
    else:
        push(job)


def take_due(name, digest):
    try:
        return connection.evalsha(digest, 1, name, str(time.time()))
    except redis.exceptions.NoScriptError:
        connection.script_load(TAKE_DUE)
        return connection.evalsha(digest, 1, name, str(time.time()))


def beat():
    with connection.pipeline(transaction=True) as transaction:
        transaction.sadd("processes", "worker")
        transaction.exists("processes:worker")
        transaction.hset("processes:worker", mapping={"beat": time.time(), "busy": 0, "quiet": "false"})
        transaction.expire("processes:worker", 60)
        transaction.rpop("worker-signals")
        transaction.execute()


def run(text, fails_once):
    job = json.loads(text)
    number = job["args"][0]
    if fails_once and number % 7 == 0 and "failed_at" not in job:
        job.update(failed_at=time.time(), retry_count=0, error_class="RuntimeError", error_message="the first time")
        connection.zadd("retry", {json.dumps(job): time.time() + 0.1})
        return
    # Whom the plain fetch loses is lost by its own word, so nobody is killed while such a job is in hand.
    jobs.work(folder, number, at_gates=job["queue"] == "critical")


if what == "add":
    jobs.add(folder, connection, 0.003, send)
else:
    digest = connection.script_load(TAKE_DUE)
    while connection.rpoplpush(PRIVATE, "queue:critical"):
        pass
    while True:
        beat()
        for name in ("retry", "schedule"):
            while text := take_due(name, digest):
                push(json.loads(text))
        if text := connection.brpoplpush("queue:critical", PRIVATE, timeout=0.05):
            run(text, fails_once=True)
            with connection.pipeline(transaction=True) as transaction:
                transaction.lrem(PRIVATE, 1, text)
                transaction.incr("stat:processed")
                transaction.execute()
        if found := connection.brpop(["queue:default"], timeout=0.05):
            run(found[1], fails_once=False)
            connection.incr("stat:processed")

-- The load for wrk: sends the bodies of a file in turn and prints what came of it as one line of JSON.
--   wrk … -s load.lua URL -- BODIES [statuses]
-- BODIES has one JSON body a line. With "statuses" each status is counted, which costs wrk some of its own speed.

local threads = {}
local mine = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    mine[#mine + 1] = wrk.format("POST", nil, nil, line)
  end
  sent = 0
  counted = ""
  refused, advised = 0, 0
  statuses = {}
  if args[2] == "statuses" then
    response = count
  end
end

function request()
  sent = sent + 1
  return mine[sent % #mine + 1]
end

function count(status, headers)
  statuses[status] = (statuses[status] or 0) + 1
  if status == 429 or status == 503 then
    refused = refused + 1
    for name in pairs(headers) do
      if name:lower() == "retry-after" then
        advised = advised + 1
      end
    end
  end
  -- Only text passes from a thread to `done`.
  local parts = {}
  for code, times in pairs(statuses) do
    parts[#parts + 1] = string.format('"%d":%d', code, times)
  end
  counted = table.concat(parts, ",")
end

function done(summary, latency)
  local text, refusals, advices = "", 0, 0
  for _, thread in ipairs(threads) do -- there is one
    text = text .. thread:get("counted")
    refusals = refusals + thread:get("refused")
    advices = advices + thread:get("advised")
  end
  local errors = summary.errors
  io.write(string.format(
    'LOAD {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"timeout":%d,"refused_or_failed":%d,' ..
    '"statuses":{%s},"refusals":%d,"with_retry_after":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    text, refusals, advices))
end

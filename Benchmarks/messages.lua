-- Load for wrk: the messages of a file, each posted once; figures as JSON on the last line.
-- wrk -t 1 -s messages.lua … URL -- FILE      (FILE: length, line feed, message; and so on)
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int process, int signal);")

local threads = {}

function setup(thread) table.insert(threads, thread) end

function init(args)
    prepared, position, answered, first = {}, 0, 0, ""
    local headers = { ["Content-Type"] = "text/xml", ["SOAPAction"] = '""' }
    local file = io.open(args[1], "rb")
    while true do
        local length = file:read("*n")
        if not length then break end
        file:read(1)
        table.insert(prepared, wrk.format("POST", nil, headers, file:read(length)))
    end
    file:close()
end

function request()
    -- A message is good once: what is asked for after the last one is not counted.
    position = math.min(position + 1, #prepared)
    return prepared[position]
end

function response(status, headers, body)
    answered = answered + 1
    if status ~= 200 and first == "" then first = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
    -- Connections have requests under way when the last message is sent.
    if answered >= #prepared - 64 then
        wrk.thread:stop()
        ffi.C.kill(ffi.C.getpid(), 2) -- SIGINT: wrk ends its wait and reports
    end
end

function done(summary, latency, requests)
    local first = ""
    for _, thread in ipairs(threads) do first = thread:get("first") or "" end
    io.write(string.format(
        '\n{"answers": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "refused": %d, "first": "%s"}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
        summary.errors.status, first))
end

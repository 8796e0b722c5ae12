-- Load for wrk: the paths of a file in turn, at most so many answers; figures as JSON on the last line.
-- wrk -s load.lua … URL -- FILE ANSWERS|-      ("-": as many as the time allows, without looking at them)
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int process, int signal);")

local threads = {}

function setup(thread) table.insert(threads, thread) end

function init(args)
    prepared, position, answered, refused, first = {}, 0, 0, 0, ""
    for path in io.lines(args[1]) do table.insert(prepared, wrk.format("GET", path)) end
    if args[2] == "-" then
        response = nil
    else
        limit = tonumber(args[2])
    end
end

function request()
    position = position % #prepared + 1
    return prepared[position]
end

function response(status, headers, body)
    answered = answered + 1
    if status ~= 200 then
        refused = refused + 1
        if first == "" then first = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
    end
    if answered == limit then
        wrk.thread:stop()
        ffi.C.kill(ffi.C.getpid(), 2) -- SIGINT: wrk ends its wait and reports
    end
end

function done(summary, latency, requests)
    local refused, first = summary.errors.status, ""
    for _, thread in ipairs(threads) do first = thread:get("first") or "" end
    local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
    io.write(string.format(
        '\n{"answers": %d, "seconds": %.6f, "bytes": %d, "p50": %.6f, "p99": %.6f, "longest": %.6f, "refused": %d, "broken": %d, "first": "%s"}\n',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e6,
        latency:percentile(99) / 1e6, latency.max / 1e6, refused, broken, first))
end

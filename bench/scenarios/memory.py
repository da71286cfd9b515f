"""Bodies of any size, and any number of slow readers, cost a bounded amount of memory."""

import asyncio
from time import perf_counter as clock

from bench.bodies import Tally, checksum
from bench.client import Connection, get, head_of_post
from bench.report import Report, mebibytes
from bench.rig import Rig, begin_peak, peak, resident

MEBIBYTE = 2**20
#: What a body of any size may add to what is resident, bytes.
MOST_GROWTH = 16 * MEBIBYTE
#: What one slow reader may hold, bytes.
MOST_EACH = 512 * 1024
#: A body behind which all that is allocated once is there, bytes.
SMALL = 100
#: Bytes that a slow reader takes each second while memory is looked at, and its receive buffer.
TRICKLE, RECEIVE_BUFFER = 16 * 1024, 8 * 1024


async def transfer(
    rig: Rig, report: Report, *, size: int = 512 * MEBIBYTE, pace: int = 160 * MEBIBYTE
) -> None:
    """Large bodies to a slow reader and to a slow origin arrive to the byte, in little memory."""
    await rig.start_origin()
    await rig.start_proxy()
    checksum(size)
    report.note("each", mebibytes(size))
    _ = await download(rig.port, SMALL, pace, chunked=False)
    before = resident(rig.proxy.pid)
    for chunked in (False, True):
        framing = "chunked" if chunked else "length"
        for way, move in (("down", download), ("up", upload)):
            begin_peak(rig.proxy.pid)
            began = clock()
            whole = await move(rig.port, size, pace, chunked=chunked)
            took, growth = clock() - began, peak(rig.proxy.pid) - before
            report.note(f"{way} {framing}", f"+{mebibytes(growth)} at {mebibytes(size / took)}/s")
            report.require(whole, f"{way} {framing}: not what was sent")
            report.require(growth < MOST_GROWTH, f"{way} {framing}: memory grew by {mebibytes(growth)}")


async def download(port: int, size: int, pace: int, *, chunked: bool) -> bool:
    """Return whether a body comes whole that is read at ``pace`` bytes a second."""
    connection = await Connection.open(port)
    tally = Tally()
    query = "?chunked=1" if chunked else ""
    answer = await connection.ask(get(f"/bytes/{size}/down{query}"), tally=tally, pace=pace)
    connection.close()
    return answer.status == 200 and tally.holds(size)


async def upload(port: int, size: int, pace: int, *, chunked: bool) -> bool:
    """Return whether a body arrives whole that the origin reads at ``pace`` bytes a second."""
    connection = await Connection.open(port)
    head = head_of_post(f"/echo/up?pace={pace}", None if chunked else size)
    answer = await connection.upload(head, size, chunked=chunked)
    connection.close()
    return answer.echoes("up", size)


async def slow_readers(
    rig: Rig,
    report: Report,
    *,
    readers: int = 200,
    size: int = 16 * MEBIBYTE,
    seconds: float = 4,
    whole: int = 20,
) -> None:
    """Clients that hardly read hold a bounded amount of memory; what they do read is right."""
    await rig.start_origin()
    await rig.start_proxy(upstream=f"pool: {{max_connections: {readers}}}")
    _ = await download(rig.port, SMALL, MEBIBYTE, chunked=False)
    checksum(size)
    before = resident(rig.proxy.pid)
    begin_peak(rig.proxy.pid)
    clients = await asyncio.gather(
        *[Connection.open(rig.port, receive_buffer=RECEIVE_BUFFER) for _ in range(readers)]
    )
    tallies = [Tally() for _ in clients]
    answers = []
    for number, client in enumerate(clients):
        query = "?chunked=1" if number % 2 else ""
        answers.append(client.expect(tally=tallies[number], pace=TRICKLE))
        client.write(get(f"/bytes/{size}/{number}{query}"))
    await asyncio.sleep(seconds)
    growth = peak(rig.proxy.pid) - before
    unread = sum(tally.size < size for tally in tallies)
    for client in clients[whole:]:
        client.close()
    for client in clients[:whole]:
        client.hurry()
    for answer in answers[:whole]:
        await answer
    await asyncio.gather(*answers[whole:], return_exceptions=True)
    right = sum(tally.holds(size) for tally in tallies[:whole])
    report.note("readers", readers)
    report.note("answers of", mebibytes(size))
    report.note("memory", f"+{mebibytes(growth)}, {growth / readers / 1024:.0f} KiB each")
    report.note("read on to the end", f"{right} of {whole}")
    report.require(unread == readers, f"only {unread} of {readers} readers were slow")
    report.require(growth < readers * MOST_EACH, f"slow readers hold {mebibytes(growth)}")
    report.require(right == whole, f"{whole - right} answers did not come whole")

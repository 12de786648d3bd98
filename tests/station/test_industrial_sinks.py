"""MQTT, Modbus TCP and OPC UA against servers of the same libraries, or others, on the loopback."""

import asyncio
import gc
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import UsageError
from hizumi.station.sinks import DeliveryError, DriftHolds, Sink, no_drift, sink_from
from hizumi.station.sinks.sink import Beating
from tests.station.certificates import certified

GOOD = {"event": "inspection", "anomalous": False, "score": 0.25, "name": "a.png", "part": "A1", "delivery_id": "1"}
BAD = GOOD | {"anomalous": True, "score": 2.5, "part": "a/+#b", "delivery_id": "2"}
UNJUDGED = GOOD | {"anomalous": None, "score": None, "delivery_id": "3"}
DRIFT = {"event": "drift", "recipe": "bricks", "delivery_id": "4"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def delivered(sink: Sink, *payloads: dict[str, Any]) -> None:
    try:
        for payload in payloads:
            await asyncio.wait_for(sink.deliver(payload), 20)
    finally:
        await sink.close()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quiet() -> None:
    for name in ("amqtt", "transitions", "asyncua", "pymodbus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@asynccontextmanager
async def broker(port: int, passwords: Path | None = None, **tls: Any) -> AsyncIterator[None]:
    from amqtt.broker import Broker
    from amqtt.contexts import BrokerConfig

    plugin = "amqtt.plugins.authentication."
    known = {f"{plugin}FileAuthPlugin": {"password_file": str(passwords)}}
    plugins = {f"{plugin}AnonymousAuthPlugin": {"allow_anonymous": True}} if passwords is None else known
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", **tls}}
    running = Broker(BrokerConfig.from_dict({"listeners": listeners, "plugins": plugins}))
    await running.start()
    try:
        yield
    finally:
        await running.shutdown()


def test_mqtt_publishes_to_the_topic_of_the_event() -> None:
    async def talk() -> list[tuple[str, dict[str, Any], int]]:
        import aiomqtt

        port = free_port()
        topic = "plant/{recipe}/{part}/{verdict}"
        sink = sink_from({"kind": "mqtt", "host": "127.0.0.1", "port": port, "topic": topic})
        async with broker(port), aiomqtt.Client("127.0.0.1", port) as listener:
            await listener.subscribe("plant/#", qos=1)
            await delivered(sink, GOOD, BAD, UNJUDGED, DRIFT)
            found = []
            async with asyncio.timeout(10):
                async for message in listener.messages:
                    assert isinstance(message.payload, bytes)
                    found.append((str(message.topic), json.loads(message.payload), message.qos))
                    if len(found) == 4:
                        break
        with pytest.raises(DeliveryError, match="cannot be reached") as caught:  # the broker has gone
            await delivered(sink, GOOD)
        assert caught.value.retry
        return found

    assert asyncio.run(talk()) == [
        ("plant/-/A1/good", GOOD, 1),
        ("plant/-/a___b/anomalous", BAD, 1),
        ("plant/-/A1/unjudged", UNJUDGED, 1),
        ("plant/bricks/-/drift", DRIFT, 1),
    ]


def test_mqtt_asks_for_its_password_anew(tmp_path: Path) -> None:
    from pwdlib.hashers.argon2 import Argon2Hasher

    async def talk() -> None:
        port = free_port()
        (tmp_path / "users").write_text(f"line:{Argon2Hasher().hash('right')}\n")
        (tmp_path / "password").write_text("wrong\n")
        login = {"user": "line", "password_file": str(tmp_path / "password")}
        sink = sink_from({"kind": "mqtt", "host": "127.0.0.1", "port": port, **login, "total_seconds": 5.0})
        async with broker(port, tmp_path / "users"):
            with pytest.raises(DeliveryError) as caught:
                await delivered(sink, GOOD)
            assert "wrong" not in str(caught.value)
            (tmp_path / "password").write_text("right\n")
            await delivered(sink, GOOD)

    asyncio.run(talk())


# Paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mqtt_verifies_the_certificate_of_the_broker(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)

    async def talk() -> None:
        port = free_port()
        table = {"kind": "mqtt", "port": port, "tls": True, "total_seconds": 5.0}
        authority = {"ca_file": str(certificate)}
        async with broker(port, ssl=True, certfile=str(certificate), keyfile=str(key)):
            await delivered(sink_from({**table, **authority, "host": "localhost"}), GOOD)
            for wrong in ({"host": "localhost"}, {"host": "127.0.0.1", **authority}):
                with pytest.raises(DeliveryError, match="certificate verify failed"):
                    await delivered(sink_from({**table, **wrong}), GOOD)

    asyncio.run(talk())
    gc.collect()  # now, and not in another test


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"topic": "a/{lot}"}, "topic may hold {event}, {station}"),
        ({"topic": "a/{part.x}"}, "topic may hold {event}"),
        ({"topic": "a/{part"}, "topic may hold {event}"),
        ({"topic": "a/#"}, "without + and #"),
        ({"topic": ""}, "topic is a name"),
        ({"user": "u"}, "user and password_file or password_variable go together"),
        ({"port": 70000}, "port is 70000; it must be a whole number from 1 to 65535"),
        ({"ca_file": "a"}, "ca_file means nothing without tls = true"),
        ({"user": "u", "password_variable": "P"}, "would be sent to x in the clear: set tls = true"),
    ],
)
def test_wrong_keys_of_mqtt_give_one_line(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        sink_from({"kind": "mqtt", "host": "x", **keys})
    assert str(caught.value).startswith("[[sinks]] mqtt: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("table", "host", "encrypted"),
    [
        ({"kind": "mqtt"}, "host", {"tls": True}),
        (
            {"kind": "opcua", "nodes": {"reject": "ns=2;s=R"}},
            "url",
            dict.fromkeys(("certificate_file", "key_file", "server_certificate_file"), "a.pem"),
        ),
    ],
)
def test_no_password_crosses_a_network_in_the_clear_unless_the_file_says_so(
    table: dict[str, Any], host: str, encrypted: dict[str, Any]
) -> None:
    login = {"user": "u", "password_variable": "P"}
    for place, is_own in {
        "plant": False,
        "10.0.0.2": False,
        "localhost": True,
        "127.0.0.2": True,
        "[::1]": True,
    }.items():
        address = f"opc.tcp://{place}:4840" if host == "url" else place.strip("[]")
        for allowing in ({}, encrypted, {"password_in_the_clear": True}):
            whole = {**table, host: address, **login, **allowing}
            if is_own or allowing:
                sink_from(whole)
            else:
                with pytest.raises(UsageError, match="in the clear"):
                    sink_from(whole)


@asynccontextmanager
async def controller(port: int) -> AsyncIterator[list[tuple[str, int, int]]]:
    """A Modbus server with 8 coils and 8 registers, the second at 65535; gives what is written to it, in order."""
    from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
    from pymodbus.pdu import ModbusPDU
    from pymodbus.server import ModbusTcpServer

    written: list[tuple[str, int, int]] = []

    def note(is_sent: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not is_sent and pdu.function_code in (5, 6):
            value = pdu.bits[0] if pdu.function_code == 5 else pdu.registers[0]
            written.append(("coil" if pdu.function_code == 5 else "register", pdu.address, int(value)))
        return pdu

    registers = ModbusSequentialDataBlock(1, [0, 65535, 0, 0, 0, 0, 0, 0])
    device = ModbusDeviceContext(co=ModbusSequentialDataBlock(1, [False] * 8), hr=registers)
    server = ModbusTcpServer(ModbusServerContext(device, single=True), address=("127.0.0.1", port), trace_pdu=note)
    await server.serve_forever(background=True)
    try:
        yield written
    finally:
        await server.shutdown()


def modbus(port: int, drift_holds: DriftHolds = no_drift, **keys: Any) -> Sink:
    return sink_from({"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 3, **keys}, drift_holds=drift_holds)


def test_modbus_shows_the_newest_verdict_and_counts_after_it() -> None:
    async def talk() -> list[tuple[str, int, int]]:
        port = free_port()
        async with controller(port) as written:
            sink = modbus(port, unjudged_coil=4, counter_register=1, heartbeat_register=2)
            await delivered(sink, GOOD, BAD, UNJUDGED)
            assert isinstance(sink, Beating)
            await sink.beat()
            await sink.close()
        with pytest.raises(DeliveryError, match="cannot be reached"):
            await delivered(sink, GOOD)
        return written

    assert asyncio.run(talk()) == [
        *[("coil", 3, 0), ("coil", 4, 0), ("register", 1, 0)],  # 65535 is followed by 0
        *[("coil", 3, 1), ("coil", 4, 0), ("register", 1, 1)],
        *[("coil", 3, 1), ("coil", 4, 1), ("register", 1, 2)],  # what could not be judged is rejected too
        ("register", 2, 1),
    ]


def test_modbus_pulses_end_even_when_the_station_is_stopped_in_one() -> None:
    async def talk() -> tuple[list[tuple[str, int, int]], float]:
        port = free_port()
        async with controller(port) as written:
            sink = modbus(port, pulse_seconds=0.3, when=["anomalous", "unjudged"])
            assert not sink.wants(GOOD | {"event": "inspection"})
            assert not sink.wants(DRIFT)
            began = asyncio.get_running_loop().time()
            await sink.deliver(BAD)
            took = asyncio.get_running_loop().time() - began
            task = asyncio.create_task(sink.deliver(BAD))
            while len(written) < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await sink.close()
        return written, took

    written, took = asyncio.run(talk())
    assert written == [("coil", 3, 1), ("coil", 3, 0), ("coil", 3, 1), ("coil", 3, 0)]
    assert took >= 0.3


def test_modbus_shows_as_long_as_a_drift_alarm_holds() -> None:
    holds = [False]

    async def talk() -> list[tuple[str, int, int]]:
        port = free_port()
        sink = modbus(port, lambda: holds[0], drift_coil=5)
        assert isinstance(sink, Beating)
        assert sink.heartbeat_seconds == 1.0
        async with controller(port) as written:
            await sink.beat()
            holds[0] = True
            await sink.beat()
            await sink.deliver(GOOD)
            holds[0] = False
        with pytest.raises(DeliveryError):  # the controller is away, while the drift ends
            await sink.beat()
        async with controller(port) as after:
            await sink.beat()
            await sink.close()
            assert written == [("coil", 5, 0), ("coil", 5, 1), ("coil", 3, 0)]
            return after

    assert asyncio.run(talk()) == [("coil", 5, 0)]
    assert modbus(502).heartbeat_seconds is None, "nothing to write between verdicts"


def test_modbus_says_what_the_controller_refuses() -> None:
    async def talk() -> None:
        port = free_port()
        async with controller(port):
            with pytest.raises(DeliveryError, match=r"the controller refuses coil 99 \(Modbus exception 2\)"):
                await delivered(modbus(port, coil=99), BAD)

    asyncio.run(talk())
    with pytest.raises(UsageError, match="without pulse_seconds coils show the newest verdict"):
        modbus(502, when=["anomalous"])
    with pytest.raises(UsageError, match="coil is 65536; it must be a whole number from 0 to 65535"):
        modbus(502, coil=65536)


def test_opc_ua_writes_each_field_in_the_type_of_its_node() -> None:
    async def talk() -> None:
        from asyncua import Server, ua

        server = Server()
        await server.init()
        port = free_port()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line")
        line = await server.nodes.objects.add_object(2, "Line")
        kinds = {
            "reject": (False, ua.VariantType.Boolean),
            "judged": (0, ua.VariantType.Byte),
            "score": (0.0, ua.VariantType.Float),
            "part": ("", ua.VariantType.String),
            "verdict": ("", ua.VariantType.String),
            "counter": (254, ua.VariantType.Byte),
            "heartbeat": (32767, ua.VariantType.Int16),
            "drift": (False, ua.VariantType.Boolean),
        }
        nodes = {}
        for name, (value, kind) in kinds.items():
            nodes[name] = await line.add_variable(f"ns=2;s=Line.{name}", name, value, kind)
            await nodes[name].set_writable()

        async def shown(*names: str) -> list[Any]:
            return [await nodes[name].read_value() for name in names]

        names = {name: f"ns=2;s=Line.{name}" for name in kinds}
        url = f"opc.tcp://127.0.0.1:{port}/line"
        beating = {f"{name}_node": names.pop(name) for name in ("heartbeat", "drift")}
        holds = [True]
        sink = sink_from({"kind": "opcua", "url": url, "nodes": names, **beating}, drift_holds=lambda: holds[0])
        fields = ("reject", "judged", "score", "part", "verdict", "counter")
        async with server:
            await sink.deliver(GOOD)
            assert await shown(*fields) == [False, 1, 0.25, "A1", "good", 255]
            await sink.deliver(BAD)
            assert await shown(*fields) == [True, 1, 2.5, "a/+#b", "anomalous", 0]
            await sink.deliver(UNJUDGED)
            assert str(await shown(*fields)) == str([True, 0, float("nan"), "A1", "unjudged", 1])
            assert isinstance(sink, Beating)
            await sink.beat()
            assert await shown("heartbeat", "drift") == [0, True]
            holds[0] = False
            await sink.beat()
            assert await shown("heartbeat", "drift") == [1, False]
            await sink.close()
            for wrong, words in [
                (
                    {"score": "ns=2;s=Line.reject"},
                    "the node for score has the type Boolean; it must be Float or Double",
                ),
                ({"reject": "ns=2;s=Line.none"}, "the server does not take it"),
            ]:
                with pytest.raises(DeliveryError, match=words):
                    await delivered(sink_from({"kind": "opcua", "url": url, "nodes": wrong}), GOOD)
        with pytest.raises(DeliveryError) as caught:
            await delivered(sink, GOOD)
        assert caught.value.retry

    asyncio.run(asyncio.wait_for(talk(), 60))


@pytest.mark.slow
def test_opc_ua_encrypts_and_takes_the_one_server_alone(tmp_path: Path) -> None:
    async def certified_for(name: str, uri: str) -> tuple[Path, Path]:
        from asyncua.crypto.cert_gen import setup_self_signed_certificate
        from cryptography.x509.oid import ExtendedKeyUsageOID

        usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        key, certificate = tmp_path / f"{name}.pem", tmp_path / f"{name}.der"
        await setup_self_signed_certificate(key, certificate, uri, socket.gethostname(), usage, {})
        return key, certificate

    async def talk() -> None:
        from asyncua import Server, ua
        from asyncua.crypto.permission_rules import User, UserRole
        from asyncua.server.user_managers import UserManager

        class OneUser(UserManager):
            def get_user(
                self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
            ) -> Any:
                return User(UserRole.User) if (username, password) == ("line", "right") else None

        server_key, server_certificate = await certified_for("server", "urn:plant:server")
        own_key, own_certificate = await certified_for("own", "urn:plant:line3")
        server = Server(user_manager=OneUser())
        await server.init()
        port = free_port()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line")
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.set_application_uri("urn:plant:server")
        await server.load_certificate(str(server_certificate))
        await server.load_private_key(str(server_key))
        reject = await server.nodes.objects.add_variable("ns=2;s=reject", "reject", False)
        await reject.set_writable()
        (tmp_path / "password").write_text("right\n")
        table = {
            "kind": "opcua",
            "url": f"opc.tcp://127.0.0.1:{port}/line",
            "nodes": {"reject": "ns=2;s=reject"},
            "user": "line",
            "password_file": str(tmp_path / "password"),
            "certificate_file": str(own_certificate),
            "key_file": str(own_key),
            "server_certificate_file": str(server_certificate),
            "total_seconds": 1.5,
        }
        async with server:
            await delivered(sink_from(table), BAD)
            assert await reject.read_value() is True
            open_table = {
                key: value for key, value in table.items() if not key.endswith(("certificate_file", "key_file"))
            }
            other = {"server_certificate_file": str(own_certificate)}
            for wrong in (open_table, table | other, table | {"certificate_file": str(tmp_path / "password")}):
                with pytest.raises(DeliveryError) as caught:
                    await delivered(sink_from(wrong), GOOD)
                assert "right" not in str(caught.value)
            assert await reject.read_value() is True

    asyncio.run(asyncio.wait_for(talk(), 60))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"nodes": {}}, "nodes names none"),
        ({"nodes": {"colour": "i=1"}}, "nodes is {'colour': 'i=1'}; it must be a dict"),
        ({"nodes": {"reject": "Line.Reject"}}, "'Line.Reject' is no node; write such as ns=2;s=Line.Reject"),
        (
            {"nodes": {"reject": "i=1"}, "key_file": "a"},
            "certificate_file, key_file and server_certificate_file go together",
        ),
        ({"nodes": {"reject": "i=1"}, "url": "opc.tcp://u:p@x"}, "url holds a user or password"),
    ],
)
def test_wrong_keys_of_opc_ua_give_one_line(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        sink_from({"kind": "opcua", "url": "opc.tcp://x", **keys})
    assert str(caught.value).startswith("[[sinks]] opcua: ")
    assert words in str(caught.value)

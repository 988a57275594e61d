// Made from crates/web/openapi.json by `npm run api`. Do not edit.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The network that the device makes itself. Its key is on the setup stick. */
        AccessPoint: {
            /**
             * Format: int32
             * @description How many are in it.
             */
            clients: number;
            /** @description Its name. */
            ssid: string;
        };
        /** @description A configuration is in force. */
        Applied: {
            /** @description Whether the host saw the stick pulled and plugged in for it. */
            replugged: boolean;
            /**
             * Format: int64
             * @description Its version.
             */
            version: number;
            /** @description What somebody should know about it: warnings of the configuration's check. */
            warnings: string[];
        };
        /** @description A back-up to be made. */
        Backup: {
            passphrase?: components["schemas"]["Secret"] | null;
        };
        /**
         * @description What a browser says that it is.
         * @enum {string}
         */
        Browser: "Chrome" | "curl" | "Edge" | "Firefox" | "Opera" | "Safari" | "Samsung Internet";
        /** @description One of a few. */
        Choice: {
            /** @description The value. */
            key: string;
            /** @description What it is called, in English. */
            label: string;
        };
        /** @description Makes the sender the owner of the device. */
        Claim: {
            code?: components["schemas"]["Secret"] | null;
            /** @description What the device is to be called: letters, digits and hyphens, as in a host name. */
            name?: string | null;
            /** @description The owner's new password, 8 to 128 characters. */
            password: components["schemas"]["Secret"];
        };
        /** @description The code that claims the device. */
        ClaimCode: {
            /** @description The code, such as `K7WM-3XQA`. */
            code: string;
        };
        /** @description What time the device believes it is. */
        Clock: {
            /**
             * Format: date-time
             * @description The time.
             */
            now: string;
            /** @description Where it comes from. */
            source: components["schemas"]["ClockSource"];
        };
        /**
         * @description Where the time comes from.
         * @enum {string}
         */
        ClockSource: "network" | "unknown";
        /** @description That somebody means it: the body of a POST, the query of a DELETE. */
        Confirmation: {
            /** @description The name of what is to be destroyed, typed by its owner. */
            confirm: string;
        };
        /** @description What went through a disk since it was opened, and what goes through it now. */
        Counters: {
            /** @description Flushes. */
            flush: components["schemas"]["Operation"];
            /**
             * Format: int32
             * @description Requests under way.
             */
            in_flight: number;
            /** @description Reads. */
            read: components["schemas"]["Operation"];
            /** @description Writes, and writes of zeroes. */
            write: components["schemas"]["Operation"];
        };
        /** @description The board and the daemon on it. */
        Device: {
            /** @description What the board is, as the kernel knows it. */
            board?: string | null;
            /** @description What time it is here. */
            clock: components["schemas"]["Clock"];
            /** @description Version of the kernel. */
            kernel: string;
            /** @description What memory is left. */
            memory: components["schemas"]["Memory"];
            /** @description What its owner calls it. */
            name: string;
            /** @description What is not well with the device as a whole. */
            problems: components["schemas"]["Problem"][];
            /** @description Serial number, the one the USB host sees unless another is configured. */
            serial: string;
            /**
             * Format: date-time
             * @description When the daemon started.
             */
            started: string;
            updates?: components["schemas"]["Updates"] | null;
            /** @description Version of the software. */
            version: string;
            /** @description Whether a factory reset restarts the device, which then overwrites everything that was removed. */
            wipes: boolean;
        };
        /** @description A configured disk and its state. */
        Disk: {
            counters?: components["schemas"]["Counters"] | null;
            /** @description The image, `image` or `image@snapshot`, or the path of a local one. */
            image: string;
            /** @description Limits of speed. */
            limits: components["schemas"]["Limits"];
            /** @description What LUNs call it. */
            name: string;
            /** @description The way from the front ends to the blocks, in that order. What does not exist is not in it. */
            path: components["schemas"]["Link"][];
            /** @description What it is up to. */
            phase: components["schemas"]["DiskPhase"];
            problem?: components["schemas"]["Problem"] | null;
            /** @description Whether every write is refused. */
            read_only: boolean;
            /**
             * Format: date-time
             * @description When it came to that.
             */
            since: string;
            /**
             * Format: int64
             * @description Size in bytes, once it is known.
             */
            size?: number | null;
            /** @description The store it is in; nothing for a local file or block device. */
            store?: string | null;
        };
        /** @description What to change about a disk; what is left out stays. */
        DiskChange: {
            /**
             * @description The image: a swap of the medium.
             * @default null
             */
            image: string | null;
            /** @default null */
            limits: components["schemas"]["Limits"] | null;
            /**
             * @description Refuse every write.
             * @default null
             */
            read_only: boolean | null;
        };
        /**
         * @description What a disk is up to.
         * @enum {string}
         */
        DiskPhase: "opening" | "online" | "offline" | "fenced" | "closed";
        /** @description Takes the medium out of a unit. */
        Eject: {
            /**
             * @description Also if the host has locked it (`PREVENT ALLOW MEDIUM REMOVAL`): what it has not written is lost.
             * @default false
             */
            force: boolean;
        };
        /** @description Something changed. */
        Event: {
            /** @description Everything, at the beginning and after a gap. */
            data: components["schemas"]["State"];
            /** @enum {string} */
            event: "state";
        } | {
            /** @description Another version of the configuration is in force. */
            data: {
                /**
                 * Format: int64
                 * @description Its number.
                 */
                version: number;
            };
            /** @enum {string} */
            event: "configuration";
        } | {
            /** @description The device. */
            data: components["schemas"]["Device"];
            /** @enum {string} */
            event: "device";
        } | {
            /** @description The stick. */
            data: components["schemas"]["Usb"];
            /** @enum {string} */
            event: "usb";
        } | {
            /** @description All disks. A disk that is not among them is gone. */
            data: components["schemas"]["Disk"][];
            /** @enum {string} */
            event: "disks";
        } | {
            /** @description All stores. */
            data: components["schemas"]["Store"][];
            /** @enum {string} */
            event: "stores";
        } | {
            /** @description The network. */
            data: components["schemas"]["Network"];
            /** @enum {string} */
            event: "network";
        } | {
            /** @description One task. */
            data: components["schemas"]["Task"];
            /** @enum {string} */
            event: "task";
        } | {
            /** @description A task was dismissed. */
            data: {
                /**
                 * Format: int64
                 * @description Its number.
                 */
                id: number;
            };
            /** @enum {string} */
            event: "task_gone";
        } | {
            /** @description A line of the log; only in streams that asked for them. */
            data: components["schemas"]["LogLine"];
            /** @enum {string} */
            event: "log";
        };
        /** @description A bundle at an address. */
        FetchUpdate: {
            /** @description Also an older version than the running one. */
            allow_older?: boolean;
            /** @description Where it is: `https`, or `http` on this device itself. */
            url: string;
        };
        /** @description One field. */
        Field: {
            /** @description Whether only few people need it: the page folds those away. */
            advanced: boolean;
            /** @description What is there to begin with. */
            default?: string | null;
            /** @description An example of a value. */
            example?: string | null;
            /** @description A sentence of help, in English. */
            help?: string | null;
            /** @description Key of the value. */
            key: string;
            /** @description What may be put in. */
            kind: components["schemas"]["FieldKind"];
            /** @description What it is called, in English. */
            label: string;
            /** @description Whether it must be filled in. */
            required: boolean;
        };
        /** @description What may be put into a field. */
        FieldKind: {
            /**
             * Format: int32
             * @description Longest text, in characters.
             */
            max_length: number;
            /** @enum {string} */
            type: "text";
        } | {
            /** @description Extensions of files to offer, such as `.conf`. */
            accept: string[];
            /**
             * Format: int32
             * @description Longest text, in characters.
             */
            max_length: number;
            /** @enum {string} */
            type: "long_text";
        } | {
            /**
             * Format: int32
             * @description Longest text, in characters.
             */
            max_length: number;
            /** @enum {string} */
            type: "secret";
        } | {
            /** @description Extensions of files to offer, such as `.keyring`. */
            accept: string[];
            /**
             * Format: int32
             * @description Longest text, in characters.
             */
            max_length: number;
            /** @enum {string} */
            type: "long_secret";
        } | {
            /**
             * Format: int64
             * @description Largest value.
             */
            max: number;
            /**
             * Format: int64
             * @description Smallest value.
             */
            min: number;
            /** @enum {string} */
            type: "number";
            /** @description Unit, such as `bytes`. */
            unit?: string | null;
        } | {
            /** @description What there is to choose from. */
            choices: components["schemas"]["Choice"][];
            /** @enum {string} */
            type: "choice";
        } | {
            /** @enum {string} */
            type: "toggle";
        };
        /** @description What a new stick holds. */
        Filesystem: {
            /** @enum {string} */
            type: "none";
        } | {
            /** @description Up to 11 characters. */
            label: string;
            /** @description How it is laid out. */
            table?: components["schemas"]["PartitionTable"];
            /** @enum {string} */
            type: "fat";
        } | {
            /** @description Up to 11 characters. */
            label: string;
            /** @description How it is laid out. */
            table?: components["schemas"]["PartitionTable"];
            /** @enum {string} */
            type: "exfat";
        };
        /** @description One thing that was checked. */
        Finding: {
            /** @description What was checked, in a few words. */
            check: string;
            /** @description What was found. */
            detail: string;
            /** @description What to do, if there is something to do. */
            remedy?: string | null;
            /** @description How it went. */
            verdict: components["schemas"]["Verdict"];
        };
        /** @description What a store needs to know, in one of several ways. */
        Form: {
            /** @description Fields that belong to every way. */
            common: components["schemas"]["Field"][];
            /** @description The ways to say it; the first is the usual one. Exactly one is filled in. */
            ways: components["schemas"]["Way"][];
        };
        /** @description A value of a field. Every text is treated as a secret until its field is known not to be one. */
        FormValue: boolean | number | components["schemas"]["Secret"];
        /** @description What anybody may know: enough for the page to decide what to show first. */
        Hello: {
            /** @description While unclaimed: whether the board's button has just opened a claim without a code. */
            button_pressed?: boolean;
            /** @description Whether it has an owner. */
            claimed: boolean;
            /** @description What its owner calls the device. */
            name: string;
            /** @description Always `cloud-stick`. */
            product: string;
            /** @description Whether this request comes with a valid session or token. */
            signed_in: boolean;
            /** @description Version of the software. */
            version: string;
        };
        /** @description How the stick introduces itself. */
        Identity: {
            /** @description Manufacturer string. */
            manufacturer: string;
            /**
             * Format: int32
             * @description Power asked from the host, in mA.
             */
            max_power_ma: number;
            /** @description Product string. */
            product: string;
            /**
             * Format: int32
             * @description USB product id.
             */
            product_id: number;
            /** @description Serial number. */
            serial: string;
            /**
             * Format: int32
             * @description USB vendor id.
             */
            vendor_id: number;
        };
        /** @description What to change about the identity; what is left out stays. The host sees the stick pulled and plugged in again. */
        IdentityChange: {
            /**
             * @description Manufacturer string.
             * @default null
             */
            manufacturer: string | null;
            /**
             * Format: int32
             * @description Power asked from the host, in mA.
             * @default null
             */
            max_power_ma: number | null;
            /**
             * @description Product string.
             * @default null
             */
            product: string | null;
            /**
             * Format: int32
             * @description USB product id.
             * @default null
             */
            product_id: number | null;
            /**
             * @description Serial number; an empty one goes back to the board's.
             * @default null
             */
            serial: string | null;
            /**
             * Format: int32
             * @description USB vendor id.
             * @default null
             */
            vendor_id: number | null;
        };
        /** @description An image in a store. */
        Image: {
            /**
             * Format: int64
             * @description Bytes that take space, where the store tells.
             */
            allocated?: number | null;
            /** @description More, in the store's own terms. */
            details: {
                [key: string]: string;
            };
            /** @description The configured disk it belongs to, if any. */
            disk?: string | null;
            /** @description Container format around the blocks, such as `raw` or `vhd`. */
            format: string;
            /**
             * Format: date-time
             * @description Last change.
             */
            modified?: string | null;
            /** @description Name within the store. */
            name: string;
            /** @description Who owns it now, where somebody does. */
            owner?: string | null;
            /**
             * Format: int64
             * @description Usable size in bytes.
             */
            size: number;
        };
        /** @description A network interface. */
        Interface: {
            /** @description Its addresses with prefix length. */
            addresses: string[];
            /** @description What it is. */
            kind: components["schemas"]["InterfaceKind"];
            /** @description MAC address. */
            mac?: string | null;
            /** @description The kernel's name. */
            name: string;
            /** @description The Wi-Fi network it is in. */
            ssid?: string | null;
            /** @description Whether it has a carrier. */
            up: boolean;
        };
        /**
         * @description Kinds of interfaces.
         * @enum {string}
         */
        InterfaceKind: "ethernet" | "wifi" | "other";
        /** @description A Wi-Fi network to join, and to remember if that works. */
        Join: {
            /** @description Whether it hides its name. */
            hidden?: boolean;
            password?: components["schemas"]["Secret"] | null;
            /** @description Its name. */
            ssid: string;
        };
        /** @description Limits of speed; 0 or nothing is no limit. */
        Limits: {
            /**
             * Format: int64
             * @description Bytes read per second.
             * @default 0
             */
            read_bytes: number;
            /**
             * Format: int32
             * @description Reads per second.
             * @default 0
             */
            read_requests: number;
            /**
             * Format: int64
             * @description Bytes written per second.
             * @default 0
             */
            write_bytes: number;
            /**
             * Format: int32
             * @description Writes per second.
             * @default 0
             */
            write_requests: number;
        };
        /** @description A station on the way from the host to the blocks. */
        Link: {
            /** @description A few words in its own terms: the device file, the container. */
            detail?: string | null;
            /** @description What it is. */
            kind: components["schemas"]["LinkKind"];
            /** @description How it is. */
            state: components["schemas"]["LinkState"];
        };
        /**
         * @description The stations there can be. New ones may come (a cache, encryption): the page shows those it knows and skips the rest.
         * @enum {string}
         */
        LinkKind: "stick" | "kernel_device" | "nbd" | "throttle" | "store";
        /**
         * @description How a station is.
         * @enum {string}
         */
        LinkState: "good" | "starting" | "waiting" | "broken";
        /** @description What changes by itself. */
        Live: {
            /**
             * Format: int64
             * @description Version of the configuration in force.
             */
            configuration: number;
            /** @description The device. */
            device: components["schemas"]["Device"];
            /** @description The disks, in the order of the configuration. */
            disks: components["schemas"]["Disk"][];
            /** @description The network. */
            network: components["schemas"]["Network"];
            /** @description The stores, in the order of the configuration. */
            stores: components["schemas"]["Store"][];
            /** @description The stick. */
            usb: components["schemas"]["Usb"];
        };
        /**
         * @description How serious a line of the log is.
         * @enum {string}
         */
        LogLevel: "trace" | "debug" | "info" | "warn" | "error";
        /** @description A line of the log. */
        LogLine: {
            /** @description How serious it is. */
            level: components["schemas"]["LogLevel"];
            /**
             * Format: int64
             * @description Its number since the daemon started.
             */
            number: number;
            /** @description The part of the program it comes from. */
            target: string;
            /** @description What it says, without secrets. */
            text: string;
            /**
             * Format: date-time
             * @description When it was written.
             */
            time: string;
        };
        /** @description A unit of the stick. */
        Lun: components["schemas"]["LunSettings"] & {
            /** @description What is in it. */
            medium: components["schemas"]["Medium"];
            problem?: components["schemas"]["Problem"] | null;
        };
        /** @description How a unit is set up. */
        LunSettings: {
            /** @description Looks like a CD-ROM drive; implies read-only. */
            cdrom?: boolean;
            /** @description The disk that belongs in it; nothing for an empty slot. */
            disk?: string | null;
            /** @description The host may not write. */
            read_only?: boolean;
            /** @description The medium can be taken out: what a stick or a card reader is. */
            removable?: boolean;
        };
        /**
         * @description What is in a unit.
         * @enum {string}
         */
        Medium: "empty" | "waiting" | "inserted" | "ejected_by_host" | "ejected";
        /** @description Memory in bytes. */
        Memory: {
            /**
             * Format: int64
             * @description What programs can still have.
             */
            available: number;
            /**
             * Format: int64
             * @description What the daemon has resident.
             */
            daemon: number;
            /**
             * Format: int64
             * @description All of the board's.
             */
            total: number;
        };
        /** @description The network as the device sees it. */
        Network: {
            access_point?: components["schemas"]["AccessPoint"] | null;
            /** @description Interfaces other than loopback. */
            interfaces: components["schemas"]["Interface"][];
            /** @description The name under which phones find it, such as `my-stick.local`. */
            mdns_name?: string | null;
            problem?: components["schemas"]["Problem"] | null;
            /** @description Wi-Fi networks it remembers, by name, the best first. */
            remembered: string[];
            /** @description Addresses of the page, best first. */
            urls: string[];
            /** @description Whether this device can join Wi-Fi networks. */
            wifi: boolean;
        };
        /** @description A disk to be served. */
        NewDisk: {
            /** @description The image, `image` or `image@snapshot`. */
            image: string;
            /** @description Put it into the stick as well, in the first empty LUN or a new one. */
            insert?: boolean;
            /** @description What to call it. */
            name: string;
            /** @description Refuse every write. */
            read_only?: boolean;
            /** @description The store it is in. */
            store: string;
        };
        /** @description An image to be made. */
        NewImage: {
            /** @description The file system it arrives with. */
            filesystem?: components["schemas"]["Filesystem"];
            /** @description Container format; raw if left out. */
            format?: string | null;
            /** @description Name within the store. */
            name: string;
            /**
             * Format: int64
             * @description Usable size in bytes, a multiple of 512.
             */
            size: number;
        };
        /** @description A place to be made. */
        NewPlace: {
            /** @description Its name. */
            name: string;
            /** @description With which to reach the store. */
            settings: components["schemas"]["StoreSettings"];
        };
        /** @description A snapshot to be taken. */
        NewSnapshot: {
            /**
             * @description What to call it.
             * @default null
             */
            label: string | null;
        };
        /** @description A token to be made. */
        NewToken: {
            /** @description What to call it. */
            name: string;
            /** @description Whether it may only look. */
            read_only?: boolean;
        };
        /** @description One kind of request. */
        Operation: {
            /**
             * Format: int64
             * @description Bytes that went through.
             */
            bytes: number;
            /**
             * Format: int64
             * @description How many failed.
             */
            errors: number;
            /**
             * Format: double
             * @description Half of the requests took at most this long, in milliseconds.
             */
            median_ms: number;
            /**
             * Format: double
             * @description 99 of 100 requests took at most this long, in milliseconds.
             */
            p99_ms: number;
            /**
             * Format: double
             * @description Bytes per second now, over the last few seconds.
             */
            rate: number;
            /**
             * Format: int64
             * @description How many ended well.
             */
            requests: number;
        };
        /**
         * @description How a file system lies on the stick.
         * @enum {string}
         */
        PartitionTable: "mbr" | "none";
        /** @description A new password. Ends all other sessions. */
        Passwords: {
            /** @description The one until now. */
            current: components["schemas"]["Secret"];
            /** @description The one from now on. */
            new: components["schemas"]["Secret"];
        };
        /** @description A container, pool or folder. */
        Place: {
            /** @description Its name. */
            name: string;
        };
        /** @description What a test of settings found. */
        Probe: {
            /** @description What was checked. */
            findings: components["schemas"]["Finding"][];
            /** @description Containers, pools or folders to choose from, where they may be listed. */
            places: components["schemas"]["Place"][];
            /** @description Whether images can be opened and written with these settings. */
            usable: boolean;
        };
        /** @description Settings of a store, to be tested before they are kept. */
        ProbeRequest: {
            /** @description An image whose rights to test as well. */
            image?: string | null;
            /** @description The settings. */
            settings: components["schemas"]["StoreSettings"];
            /** @description The configured store these would replace: its secrets stand in for those left out. */
            store?: string | null;
        };
        /**
         * @description What went wrong, where, and what to do about it. The body of every answer from 400 up (RFC 9457,
         *     `application/problem+json`), and part of every state that is not well.
         */
        Problem: {
            /** @description For programs, and for the page to say it in the owner's language. */
            code: components["schemas"]["ProblemCode"];
            /** @description A sentence in English that names the object. */
            detail: string;
            /**
             * @description The part of the request that is wrong, as a JSON pointer (RFC 6901) into its body: `/values/sas` for settings of a
             *     store, `/settings/values/sas` where they are a part of the request.
             */
            field?: string | null;
            /** @description What it happened to: a disk, a store, an image. */
            object?: string | null;
            /** @description What to do, where that is known. */
            remedy?: string | null;
            /**
             * Format: int32
             * @description Seconds until another attempt makes sense.
             */
            retry_after?: number | null;
        };
        /**
         * @description The kinds of problems. New ones may come: programs treat those they do not know as [`Internal`](Self::Internal).
         * @enum {string}
         */
        ProblemCode: "invalid" | "sign_in_needed" | "unclaimed" | "already_claimed" | "wrong_secret" | "too_many" | "forbidden" | "not_found" | "already_exists" | "conflict" | "in_use" | "fenced" | "denied" | "unreachable" | "no_space" | "corrupt" | "read_only" | "unsupported" | "not_confirmed" | "too_large" | "timeout" | "cancelled" | "not_applied" | "untrusted" | "wrong_board" | "older_version" | "system" | "internal";
        /** @description How far a task is. */
        Progress: {
            /**
             * Format: int64
             * @description Done so far.
             */
            done: number;
            /**
             * Format: int64
             * @description All there is to do.
             */
            total: number;
            /** @description Of what. */
            unit: components["schemas"]["Unit"];
        };
        /** @description A new name. */
        Rename: {
            /** @description 1 to 63 letters, digits and hyphens, as in a host name (RFC 1123, 2.1). */
            name: string;
        };
        /** @description A new size. */
        Resize: {
            /** @description With `shrink`: the name of the image, typed by its owner. */
            confirm?: string | null;
            /** @description Shrinking cuts off what lies beyond: only if this is set. */
            shrink?: boolean;
            /**
             * Format: int64
             * @description Bytes, a multiple of 512.
             */
            size: number;
        };
        /** @description A back-up to be put in force. */
        Restore: {
            /** @description The back-up, in base64 (RFC 4648, 4). */
            data: components["schemas"]["Secret"];
            passphrase?: components["schemas"]["Secret"] | null;
        };
        /**
         * Format: password
         * @description A password, key or token on its way in. It cannot be serialised or printed, and its memory is wiped.
         */
        Secret: string;
        /** @description A session of a browser. The session itself is an HttpOnly cookie. */
        Session: {
            /** @description To be sent as `x-csrf-token` with everything but GET. */
            csrf_token: string;
            /**
             * Format: date-time
             * @description When it ends unless it is used before.
             */
            expires: string;
        };
        /** @description Whether the setup stick is shown. */
        SetupStick: {
            /** @description Whether the host sees it, instead of the disks. */
            shown: boolean;
        };
        /** @description A password for a session. */
        SignIn: {
            /** @description The owner's password. */
            password: components["schemas"]["Secret"];
        };
        /** @description A browser that is signed in, as its owner knows it again. */
        SignedInBrowser: {
            /** @description The address from which it signed in. */
            address?: string | null;
            browser?: components["schemas"]["Browser"] | null;
            /** @description Whether it is the one that asks. */
            current: boolean;
            /** @description Whether all of it went over TLS. */
            encrypted: boolean;
            /** @description By which it is signed out. */
            id: string;
            /**
             * Format: date-time
             * @description Since when.
             */
            since: string;
            system?: components["schemas"]["System"] | null;
            /**
             * Format: date-time
             * @description When it was used last, to the hour.
             */
            used: string;
        };
        /** @description A snapshot of an image. */
        Snapshot: {
            /**
             * Format: date-time
             * @description When it was taken.
             */
            created?: string | null;
            /** @description By which the store knows it. */
            id: string;
            /** @description What its owner calls it. */
            label?: string | null;
            /**
             * Format: int64
             * @description Its size in bytes.
             */
            size?: number | null;
        };
        /**
         * @description Speed of the connection.
         * @enum {string}
         */
        Speed: "low" | "full" | "high" | "super" | "super_plus";
        /** @description Everything that is known now. */
        State: components["schemas"]["Live"] & {
            /** @description Tasks, the youngest first. */
            tasks: components["schemas"]["Task"][];
        };
        /** @description A configured store. */
        Store: {
            /** @description Kind and place in one line, without secrets. */
            description: string;
            /** @description Disks that live in it. */
            disks: string[];
            /** @description What disks call it. */
            name: string;
            /** @description Keys of the secret fields that are set. */
            secrets: string[];
            /** @description Key of its [`StoreType`]. */
            type: string;
            /** @description Values of its fields that are not secret. */
            values: {
                [key: string]: unknown;
            };
        };
        /** @description Settings of a store, to be kept. */
        StoreSettings: {
            /** @description Key of its [`StoreType`]. */
            type: string;
            /** @description The values. */
            values: {
                [key: string]: components["schemas"]["FormValue"];
            };
            /** @description Key of the [`Way`] it was filled in. */
            way: string;
        };
        /** @description A kind of store that this device can use. */
        StoreType: {
            /** @description A sentence about it, in English. */
            about: string;
            /** @description What it needs to know. */
            form: components["schemas"]["Form"];
            /** @description Container formats its images can have; the first is the default. */
            formats: string[];
            /** @description Key of the kind, such as `azure`. */
            key: string;
            /** @description What it is called, in English. */
            label: string;
            /** @description Key of the field that holds the place; there is one if there is `place_label`. */
            place_field?: string | null;
            /** @description What its places are called (container, pool, folder), in English; nothing if it has none to choose from. */
            place_label?: string | null;
            /** @description Whether images have snapshots. */
            snapshots: boolean;
            unavailable?: components["schemas"]["Problem"] | null;
        };
        /**
         * @description What a browser says that it runs on.
         * @enum {string}
         */
        System: "Android" | "ChromeOS" | "iOS" | "Linux" | "macOS" | "Windows";
        /** @description Takes an image from its present owner, who cannot write a byte from then on. */
        TakeOver: {
            /** @description The name of the disk, typed by its owner. */
            confirm: string;
        };
        /** @description A task, running or ended. Ended ones are kept until they are dismissed or fifty younger ones have ended. */
        Task: components["schemas"]["TaskState"] & {
            /** @description Whether it can be cancelled. */
            can_cancel: boolean;
            /**
             * Format: date-time
             * @description When it ended.
             */
            ended?: string | null;
            /**
             * Format: int64
             * @description Its number since the daemon started.
             */
            id: number;
            /** @description What it does. */
            kind: components["schemas"]["TaskKind"];
            /** @description What it does it to: a store, an image. */
            object?: string | null;
            progress?: components["schemas"]["Progress"] | null;
            /**
             * Format: date-time
             * @description When it began.
             */
            started: string;
        };
        /**
         * @description What tasks do.
         * @enum {string}
         */
        TaskKind: "probe_store" | "create_image" | "resize_image" | "delete_image" | "take_snapshot" | "restore_snapshot" | "delete_snapshot" | "scan_wifi" | "join_wifi" | "doctor" | "apply" | "install_update";
        /** @description What came of a task. */
        TaskResult: {
            /** @enum {string} */
            type: "done";
        } | (components["schemas"]["Probe"] & {
            /** @enum {string} */
            type: "probe";
        }) | (components["schemas"]["Image"] & {
            /** @enum {string} */
            type: "image";
        }) | (components["schemas"]["Snapshot"] & {
            /** @enum {string} */
            type: "snapshot";
        }) | {
            /** @description The strongest first. */
            networks: components["schemas"]["WifiNetwork"][];
            /** @enum {string} */
            type: "wifi";
        } | {
            /** @description In the order of the checks. */
            findings: components["schemas"]["Finding"][];
            /** @enum {string} */
            type: "findings";
        } | (components["schemas"]["Applied"] & {
            /** @enum {string} */
            type: "applied";
        });
        /** @description A task was started; its state comes as events and under `/tasks/{id}`. */
        TaskStarted: {
            /**
             * Format: int64
             * @description Its number.
             */
            task: number;
        };
        /** @description How a task stands. */
        TaskState: {
            /** @enum {string} */
            state: "running";
        } | {
            /** @description What came of it. */
            result: components["schemas"]["TaskResult"];
            /** @enum {string} */
            state: "succeeded";
        } | {
            /** @description What went wrong. */
            problem: components["schemas"]["Problem"];
            /** @enum {string} */
            state: "failed";
        } | {
            /** @enum {string} */
            state: "cancelled";
        };
        /** @description A token for a script, without its secret. */
        Token: {
            /**
             * Format: date-time
             * @description When it was made.
             */
            created: string;
            /** @description By which it is revoked. */
            id: string;
            /** @description What its owner calls it. */
            name: string;
            /** @description Whether it may only look. */
            read_only: boolean;
            /**
             * Format: date-time
             * @description When it was used last.
             */
            used?: string | null;
        };
        /** @description A token just made: the only time its secret is shown. */
        TokenMade: components["schemas"]["Token"] & {
            /** @description To be sent as `authorization: Bearer …`. */
            secret: string;
        };
        /**
         * @description What progress counts.
         * @enum {string}
         */
        Unit: "bytes" | "steps";
        /** @description An update that was installed. */
        Update: {
            /** @description Its channel. */
            channel: string;
            /** @description How it stands. */
            phase: components["schemas"]["UpdatePhase"];
            /** @description Why it fell back, if the device knows. */
            reason?: string | null;
            /**
             * Format: date-time
             * @description Since when.
             */
            time: string;
            /** @description Its version. */
            version: string;
        };
        /**
         * @description How an update stands.
         * @enum {string}
         */
        UpdatePhase: "ready" | "trial" | "confirmed" | "fell_back";
        /** @description The system of a device that can be updated as a whole. */
        Updates: {
            /** @description The channels whose bundles it accepts. */
            accepts: string[];
            /** @description Where it came from: `release`, `development`. */
            channel: string;
            last?: components["schemas"]["Update"] | null;
            /** @description The slot that it runs from: `a` or `b`. */
            slot: string;
            /** @description Version of the running system. */
            version: string;
        };
        /** @description The stick. */
        Usb: {
            /** @description The USB device controller, once it is found. */
            controller?: string | null;
            /** @description How it introduces itself. */
            identity: components["schemas"]["Identity"];
            /** @description Its units, in their order. */
            luns: components["schemas"]["Lun"][];
            problem?: components["schemas"]["Problem"] | null;
            speed?: components["schemas"]["Speed"] | null;
            /** @description What the host does with it. */
            state: components["schemas"]["UsbState"];
        };
        /**
         * @description State of the connection (USB 2.0 specification, 9.1.1; `usb_device_state` in `include/uapi/linux/usb/ch9.h`), as far
         *     as a person needs it.
         * @enum {string}
         */
        UsbState: "absent" | "unplugged" | "connecting" | "connected" | "suspended";
        /**
         * @description How a check went.
         * @enum {string}
         */
        Verdict: "good" | "warning" | "bad";
        /** @description A version of the configuration that was in force once. */
        Version: {
            /** @description What was changed, in a few words. */
            change: string;
            /** @description Whether it is in force now. */
            current: boolean;
            /**
             * Format: date-time
             * @description When it came into force.
             */
            time: string;
            /**
             * Format: int64
             * @description Its number.
             */
            version: number;
        };
        /** @description One way to fill in a form, such as "paste a connection string". */
        Way: {
            /** @description Its fields, in their order. */
            fields: components["schemas"]["Field"][];
            /** @description Key of the way. */
            key: string;
            /** @description What it is called, in English. */
            label: string;
        };
        /** @description A Wi-Fi network in reach. */
        WifiNetwork: {
            /** @description How it is protected. */
            security: components["schemas"]["WifiSecurity"];
            /**
             * Format: int32
             * @description Signal in percent.
             */
            signal: number;
            /** @description Its name. Foreign text: to be shown as text only. `hex:` and its bytes where it is no text. */
            ssid: string;
        };
        /**
         * @description How a Wi-Fi network is protected.
         * @enum {string}
         */
        WifiSecurity: "open" | "password" | "unsupported";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;

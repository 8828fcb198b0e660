//! The sections of the United States: one row a field, one table a segment.
//!
//! Source: field names, order and widths as in the IAB's library github.com/IABTechLab/iabgpp-es @ fd0546e (v3.2.0, Apache-2.0),
//! what the items of lists are about as in the IAB Global Privacy Platform, Sections/US-States and US-National (CC BY 3.0; for Indiana
//! and Rhode Island, whose specification could not be had, as in Kentucky, which has the same layout).

use super::super::bits::Padding;
use super::super::meaning::ChildProcessing::{self, *};
use super::super::meaning::SensitiveCategory::{self, *};
use super::super::section_id::SectionId;
use super::{Form, Kind, Optional, SectionLayout, SegmentLayout, Text, field, integer, integers};

/// All sections of the United States.
pub(super) static SECTIONS: &[SectionLayout] = &[
    SectionLayout {
        id: SectionId(6),
        name: "uspv1",
        versions: &[1, 2],
        core: Form::One(&USP),
        more: &[],
        sensitive: &[],
        child: &[],
    },
    SectionLayout {
        id: SectionId(7),
        name: "usnat",
        versions: &[2, 1],
        core: Form::ByLength {
            short: &NAT_1,
            up_to: 66,
            long: &NAT,
        },
        more: GPC,
        sensitive: NATIONAL,
        child: NATIONAL_CHILD,
    },
    SectionLayout {
        id: SectionId(8),
        name: "usca",
        versions: &[1],
        core: Form::One(&CA),
        more: GPC,
        sensitive: CALIFORNIA,
        child: CALIFORNIA_CHILD,
    },
    SectionLayout {
        id: SectionId(9),
        name: "usva",
        versions: &[1],
        core: Form::One(&VA),
        more: &[],
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(10),
        name: "usco",
        versions: &[1],
        core: Form::One(&CO),
        more: GPC,
        sensitive: SEVEN,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(11),
        name: "usut",
        versions: &[1],
        core: Form::One(&UT),
        more: &[],
        sensitive: UTAH,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(12),
        name: "usct",
        versions: &[1],
        core: Form::One(&CT),
        more: GPC,
        sensitive: EIGHT,
        child: TEENS,
    },
    SectionLayout {
        id: SectionId(13),
        name: "usfl",
        versions: &[1],
        core: Form::One(&FL),
        more: &[],
        sensitive: EIGHT,
        child: FLORIDA_CHILD,
    },
    SectionLayout {
        id: SectionId(14),
        name: "usmt",
        versions: &[1],
        core: Form::One(&MT),
        more: GPC,
        sensitive: EIGHT,
        child: TEENS,
    },
    SectionLayout {
        id: SectionId(15),
        name: "usor",
        versions: &[1],
        core: Form::One(&OR),
        more: GPC,
        sensitive: OREGON,
        child: TEENS,
    },
    SectionLayout {
        id: SectionId(16),
        name: "ustx",
        versions: &[1],
        core: Form::One(&TX),
        more: GPC,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(17),
        name: "usde",
        versions: &[1],
        core: Form::One(&DE),
        more: GPC,
        sensitive: DELAWARE,
        child: OLDER_TEENS,
    },
    SectionLayout {
        id: SectionId(18),
        name: "usia",
        versions: &[1],
        core: Form::One(&IA),
        more: GPC,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(19),
        name: "usne",
        versions: &[1],
        core: Form::One(&NE),
        more: GPC,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(20),
        name: "usnh",
        versions: &[1],
        core: Form::One(&NH),
        more: GPC,
        sensitive: EIGHT,
        child: TEENS,
    },
    SectionLayout {
        id: SectionId(21),
        name: "usnj",
        versions: &[1],
        core: Form::One(&NJ),
        more: GPC,
        sensitive: NEW_JERSEY,
        child: OLDER_TEENS,
    },
    SectionLayout {
        id: SectionId(22),
        name: "ustn",
        versions: &[1],
        core: Form::One(&TN),
        more: GPC,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(23),
        name: "usmn",
        versions: &[1],
        core: Form::One(&MN),
        more: GPC,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(24),
        name: "usmd",
        versions: &[1],
        core: Form::One(&MD),
        more: GPC,
        sensitive: &[],
        child: &[],
    },
    SectionLayout {
        id: SectionId(25),
        name: "usin",
        versions: &[1],
        core: Form::One(&IN),
        more: SENSITIVE,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(26),
        name: "usky",
        versions: &[1],
        core: Form::One(&KY),
        more: SENSITIVE,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
    SectionLayout {
        id: SectionId(27),
        name: "usri",
        versions: &[1],
        core: Form::One(&RI),
        more: SENSITIVE,
        sensitive: EIGHT,
        child: ANY_CHILD,
    },
];

/// The same second segment in all sections that have it: what the browser said.
const GPC: &[Optional] = &[Optional {
    number: Some(1),
    form: Form::One(&GPC_SEGMENT),
}];
const SENSITIVE: &[Optional] = &[Optional {
    number: None,
    form: Form::One(&SENSITIVE_SEGMENT),
}];

static GPC_SEGMENT: SegmentLayout = SegmentLayout {
    name: "Gpc",
    text: Text::Bits(Padding::Byte),
    fields: &[integer("GpcSegmentType", 2), field("Gpc", Kind::Flag)],
};
static SENSITIVE_SEGMENT: SegmentLayout = SegmentLayout {
    name: "SensitiveDataConsent",
    text: Text::Bits(Padding::Byte),
    fields: &[integers("SensitiveDataProcessing", 2, 8)],
};

/// The US Privacy string of 2020 is four characters, not bits.
static USP: SegmentLayout = SegmentLayout {
    name: "Usp",
    text: Text::Characters,
    fields: &[
        field("Version", Kind::Digit),
        field("Notice", Kind::Mark),
        field("OptOutSale", Kind::Mark),
        field("LspaCovered", Kind::Mark),
    ],
};

/// Version 1 had twelve sensitive categories and two ages.
static NAT_1: SegmentLayout = SegmentLayout {
    name: "UsNatCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("SharingOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SensitiveDataProcessingOptOutNotice", 2),
        integer("SensitiveDataLimitUseNotice", 2),
        integer("SaleOptOut", 2),
        integer("SharingOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 12),
        integers("KnownChildSensitiveDataConsents", 2, 2),
        integer("PersonalDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static NAT: SegmentLayout = SegmentLayout {
    name: "UsNatCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("SharingOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SensitiveDataProcessingOptOutNotice", 2),
        integer("SensitiveDataLimitUseNotice", 2),
        integer("SaleOptOut", 2),
        integer("SharingOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 16),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("PersonalDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static CA: SegmentLayout = SegmentLayout {
    name: "UsCaCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SaleOptOutNotice", 2),
        integer("SharingOptOutNotice", 2),
        integer("SensitiveDataLimitUseNotice", 2),
        integer("SaleOptOut", 2),
        integer("SharingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 9),
        integers("KnownChildSensitiveDataConsents", 2, 2),
        integer("PersonalDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static VA: SegmentLayout = SegmentLayout {
    name: "UsVaCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static CO: SegmentLayout = SegmentLayout {
    name: "UsCoCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 7),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static UT: SegmentLayout = SegmentLayout {
    name: "UsUtCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SensitiveDataProcessingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static CT: SegmentLayout = SegmentLayout {
    name: "UsCtCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static FL: SegmentLayout = SegmentLayout {
    name: "UsFlCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static MT: SegmentLayout = SegmentLayout {
    name: "UsMtCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("SharingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static OR: SegmentLayout = SegmentLayout {
    name: "UsOrCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 11),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static TX: SegmentLayout = SegmentLayout {
    name: "UsTxCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static DE: SegmentLayout = SegmentLayout {
    name: "UsDeCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 9),
        integers("KnownChildSensitiveDataConsents", 2, 5),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static IA: SegmentLayout = SegmentLayout {
    name: "UsIaCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SensitiveDataOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static NE: SegmentLayout = SegmentLayout {
    name: "UsNeCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static NH: SegmentLayout = SegmentLayout {
    name: "UsNhCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integers("KnownChildSensitiveDataConsents", 2, 3),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static NJ: SegmentLayout = SegmentLayout {
    name: "UsNjCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 10),
        integers("KnownChildSensitiveDataConsents", 2, 5),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static TN: SegmentLayout = SegmentLayout {
    name: "UsTnCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static MN: SegmentLayout = SegmentLayout {
    name: "UsMnCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("Version", 6),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integers("SensitiveDataProcessing", 2, 8),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
        integer("MspaCoveredTransaction", 2),
        integer("MspaOptOutOptionMode", 2),
        integer("MspaServiceProviderMode", 2),
    ],
};

static MD: SegmentLayout = SegmentLayout {
    name: "UsMdCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("MspaVersion", 6),
        integer("MspaCoveredTransaction", 2),
        integer("MspaMode", 2),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integer("AdditionalDataProcessingConsent", 2),
    ],
};

static IN: SegmentLayout = SegmentLayout {
    name: "UsInCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("MspaVersion", 6),
        integer("MspaCoveredTransaction", 2),
        integer("MspaMode", 2),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
    ],
};

static KY: SegmentLayout = SegmentLayout {
    name: "UsKyCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("MspaVersion", 6),
        integer("MspaCoveredTransaction", 2),
        integer("MspaMode", 2),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
    ],
};

static RI: SegmentLayout = SegmentLayout {
    name: "UsRiCore",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("MspaVersion", 6),
        integer("MspaCoveredTransaction", 2),
        integer("MspaMode", 2),
        integer("ProcessingNotice", 2),
        integer("SaleOptOutNotice", 2),
        integer("TargetedAdvertisingOptOutNotice", 2),
        integer("SaleOptOut", 2),
        integer("TargetedAdvertisingOptOut", 2),
        integer("KnownChildSensitiveDataConsents", 2),
        integer("AdditionalDataProcessingConsent", 2),
    ],
};

const EIGHT: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[Citizenship],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
];
const SEVEN: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[Citizenship],
    &[GeneticData],
    &[BiometricData],
];
const UTAH: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[SexLife],
    &[Citizenship],
    &[Health],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
];
const CALIFORNIA: &[&[SensitiveCategory]] = &[
    &[GovernmentId],
    &[AccountAccess],
    &[PreciseGeolocation],
    &[RacialOrEthnicOrigin, Beliefs, UnionMembership],
    &[Communications],
    &[GeneticData],
    &[BiometricData],
    &[Health],
    &[SexLife],
];
const DELAWARE: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[TransgenderOrNonbinary],
    &[Citizenship],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
];
const OREGON: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[TransgenderOrNonbinary],
    &[Citizenship],
    &[NationalOrigin],
    &[VictimOfCrime],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
];
const NEW_JERSEY: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[Citizenship],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
    &[TransgenderOrNonbinary],
    &[AccountAccess],
];
const NATIONAL: &[&[SensitiveCategory]] = &[
    &[RacialOrEthnicOrigin],
    &[Beliefs],
    &[Health],
    &[SexLife],
    &[Citizenship],
    &[GeneticData],
    &[BiometricData],
    &[PreciseGeolocation],
    &[GovernmentId],
    &[AccountAccess],
    &[UnionMembership],
    &[Communications],
    &[ConsumerHealthData],
    &[VictimOfCrime],
    &[NationalOrigin],
    &[TransgenderOrNonbinary],
];

const ANY_CHILD: &[ChildProcessing] = &[KnownChild];
const NATIONAL_CHILD: &[ChildProcessing] = &[From13To15, Under13, From16To17];
const CALIFORNIA_CHILD: &[ChildProcessing] = &[SaleUnder16, SharingUnder16];
const FLORIDA_CHILD: &[ChildProcessing] = &[Under13, From13To15, From16To17];
const TEENS: &[ChildProcessing] = &[KnownChild, SaleFrom13To15, AdvertisingFrom13To15];
const OLDER_TEENS: &[ChildProcessing] = &[
    KnownChild,
    SaleFrom13To15,
    AdvertisingFrom13To15,
    SaleFrom16To17,
    AdvertisingFrom16To17,
];

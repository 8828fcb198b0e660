//! The Transparency and Consent Frameworks of the European Union (version 2) and of Canada (version 1).
//!
//! Source: field names, order and widths as in the IAB's library github.com/IABTechLab/iabgpp-es @ fd0546e (v3.2.0, Apache-2.0).

use super::super::bits::Padding;
use super::super::ids::Coding;
use super::super::section_id::SectionId;
use super::{Form, Kind, Optional, SectionLayout, SegmentLayout, Text, field, integer};

/// Both frameworks.
pub(super) static SECTIONS: &[SectionLayout] = &[
    SectionLayout {
        id: SectionId(2),
        name: "tcfeuv2",
        versions: &[2],
        core: Form::One(&EU),
        more: EU_MORE,
        sensitive: &[],
        child: &[],
    },
    SectionLayout {
        id: SectionId(5),
        name: "tcfcav1",
        versions: &[1],
        core: Form::ByFit(&CA),
        more: CA_MORE,
        sensitive: &[],
        child: &[],
    },
];

const EU_MORE: &[Optional] = &[
    Optional {
        number: Some(1),
        form: Form::One(&EU_DISCLOSED),
    },
    Optional {
        number: Some(2),
        form: Form::One(&EU_ALLOWED),
    },
    Optional {
        number: Some(3),
        form: Form::One(&EU_PUBLISHER),
    },
];

const CA_MORE: &[Optional] = &[
    Optional {
        number: Some(1),
        form: Form::ByFit(&CA_DISCLOSED),
    },
    Optional {
        number: Some(3),
        form: Form::One(&CA_PUBLISHER),
    },
];

static EU: SegmentLayout = SegmentLayout {
    name: "TcfEuV2Core",
    text: Text::Bits(Padding::Quantum),
    fields: &[
        integer("Version", 6),
        field("Created", Kind::Time),
        field("LastUpdated", Kind::Time),
        integer("CmpId", 12),
        integer("CmpVersion", 12),
        integer("ConsentScreen", 6),
        field("ConsentLanguage", Kind::Letters(2)),
        integer("VendorListVersion", 12),
        integer("PolicyVersion", 6),
        field("IsServiceSpecific", Kind::Flag),
        field("UseNonStandardStacks", Kind::Flag),
        field("SpecialFeatureOptins", Kind::Bits(12)),
        field("PurposeConsents", Kind::Bits(24)),
        field("PurposeLegitimateInterests", Kind::Bits(24)),
        field("PurposeOneTreatment", Kind::Flag),
        field("PublisherCountryCode", Kind::Letters(2)),
        field("VendorConsents", Kind::Ids(Coding::Fixed)),
        field("VendorLegitimateInterests", Kind::Ids(Coding::Fixed)),
        field("PublisherRestrictions", Kind::Restrictions(Coding::Fixed)),
    ],
};

static EU_DISCLOSED: SegmentLayout = SegmentLayout {
    name: "TcfEuV2VendorsDisclosed",
    text: Text::Bits(Padding::Quantum),
    fields: &[
        integer("VendorsDisclosedSegmentType", 3),
        field("VendorsDisclosed", Kind::Ids(Coding::Fixed)),
    ],
};

static EU_ALLOWED: SegmentLayout = SegmentLayout {
    name: "TcfEuV2VendorsAllowed",
    text: Text::Bits(Padding::Quantum),
    fields: &[
        integer("VendorsAllowedSegmentType", 3),
        field("VendorsAllowed", Kind::Ids(Coding::Fixed)),
    ],
};

static EU_PUBLISHER: SegmentLayout = SegmentLayout {
    name: "TcfEuV2PublisherPurposes",
    text: Text::Bits(Padding::Quantum),
    fields: &[
        integer("PublisherPurposesSegmentType", 3),
        field("PublisherConsents", Kind::Bits(24)),
        field("PublisherLegitimateInterests", Kind::Bits(24)),
        integer("NumCustomPurposes", 6),
        field("PublisherCustomConsents", Kind::CustomBits),
        field("PublisherCustomLegitimateInterests", Kind::CustomBits),
    ],
};

/// Vendors in Fibonacci coding, as the specification has it, or in fixed numbers, as it had it first: nothing in the text says which.
static CA: [SegmentLayout; 2] = [
    SegmentLayout {
        name: "TcfCaV1Core",
        text: Text::Bits(Padding::Byte),
        fields: &[
            integer("Version", 6),
            field("Created", Kind::Time),
            field("LastUpdated", Kind::Time),
            integer("CmpId", 12),
            integer("CmpVersion", 12),
            integer("ConsentScreen", 6),
            field("ConsentLanguage", Kind::Letters(2)),
            integer("VendorListVersion", 12),
            integer("TcfPolicyVersion", 6),
            field("UseNonStandardStacks", Kind::Flag),
            field("SpecialFeatureExpressConsent", Kind::Bits(12)),
            field("PurposesExpressConsent", Kind::Bits(24)),
            field("PurposesImpliedConsent", Kind::Bits(24)),
            field("VendorExpressConsent", Kind::Ids(Coding::Fibonacci)),
            field("VendorImpliedConsent", Kind::Ids(Coding::Fibonacci)),
            field("PubRestrictions", Kind::Restrictions(Coding::Fibonacci)),
        ],
    },
    SegmentLayout {
        name: "TcfCaV1Core",
        text: Text::Bits(Padding::Byte),
        fields: &[
            integer("Version", 6),
            field("Created", Kind::Time),
            field("LastUpdated", Kind::Time),
            integer("CmpId", 12),
            integer("CmpVersion", 12),
            integer("ConsentScreen", 6),
            field("ConsentLanguage", Kind::Letters(2)),
            integer("VendorListVersion", 12),
            integer("TcfPolicyVersion", 6),
            field("UseNonStandardStacks", Kind::Flag),
            field("SpecialFeatureExpressConsent", Kind::Bits(12)),
            field("PurposesExpressConsent", Kind::Bits(24)),
            field("PurposesImpliedConsent", Kind::Bits(24)),
            field("VendorExpressConsent", Kind::Ids(Coding::Fixed)),
            field("VendorImpliedConsent", Kind::Ids(Coding::Fixed)),
            field("PubRestrictions", Kind::Restrictions(Coding::Fixed)),
        ],
    },
];

static CA_DISCLOSED: [SegmentLayout; 2] = [
    SegmentLayout {
        name: "TcfCaV1DisclosedVendors",
        text: Text::Bits(Padding::Byte),
        fields: &[
            integer("DisclosedVendorsSegmentType", 3),
            field("DisclosedVendors", Kind::Ids(Coding::Fibonacci)),
        ],
    },
    SegmentLayout {
        name: "TcfCaV1DisclosedVendors",
        text: Text::Bits(Padding::Byte),
        fields: &[
            integer("DisclosedVendorsSegmentType", 3),
            field("DisclosedVendors", Kind::Ids(Coding::Fixed)),
        ],
    },
];

static CA_PUBLISHER: SegmentLayout = SegmentLayout {
    name: "TcfCaV1PublisherPurposes",
    text: Text::Bits(Padding::Byte),
    fields: &[
        integer("PubPurposesSegmentType", 3),
        field("PubPurposesExpressConsent", Kind::Bits(24)),
        field("PubPurposesImpliedConsent", Kind::Bits(24)),
        integer("NumCustomPurposes", 6),
        field("CustomPurposesExpressConsent", Kind::CustomBits),
        field("CustomPurposesImpliedConsent", Kind::CustomBits),
    ],
};

"""Make gradient.dcm, a small valid DICOM image of nobody: a grey ramp, 64 by 64, as a Secondary Capture.

    .venv/bin/python examples/dicom/make.py

Every run writes the same bytes, so the committed file can be made again.
"""

import io
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

STUDY = "2.25.197563145612345678901234567890123456"
SERIES = "2.25.197563145612345678901234567890123457"
INSTANCE = "2.25.197563145612345678901234567890123458"
IMPLEMENTATION = "2.25.197563145612345678901234567890123459"
SIDE = 64


def image() -> bytes:
    """The file's bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = INSTANCE
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "THERIAC EXAMPLE"

    ramp = Dataset()
    ramp.file_meta = meta
    ramp.SpecificCharacterSet = "ISO_IR 192"
    ramp.ImageType = ["DERIVED", "SECONDARY"]
    ramp.SOPClassUID = SecondaryCaptureImageStorage
    ramp.SOPInstanceUID = INSTANCE
    ramp.StudyDate = "20240229"
    ramp.ContentDate = "20240229"
    ramp.StudyTime = "101500"
    ramp.ContentTime = "101500"
    ramp.AccessionNumber = ""
    ramp.Modality = "CR"
    ramp.ConversionType = "SYN"
    ramp.ReferringPhysicianName = ""
    ramp.StudyDescription = "Ankle, two views"
    ramp.ProcedureCodeSequence = [_code("19490002", "SCT", "Ankle X-ray")]
    ramp.PatientName = "Nobody^Example"
    ramp.PatientID = "EXAMPLE-0"
    ramp.PatientBirthDate = ""
    ramp.PatientSex = ""
    ramp.BodyPartExamined = "ANKLE"
    ramp.StudyInstanceUID = STUDY
    ramp.SeriesInstanceUID = SERIES
    ramp.StudyID = ""
    ramp.SeriesNumber = 1
    ramp.InstanceNumber = 1
    ramp.PatientOrientation = ""
    ramp.Laterality = ""
    ramp.SamplesPerPixel = 1
    ramp.PhotometricInterpretation = "MONOCHROME2"
    ramp.Rows = SIDE
    ramp.Columns = SIDE
    ramp.BitsAllocated = 8
    ramp.BitsStored = 8
    ramp.HighBit = 7
    ramp.PixelRepresentation = 0
    ramp.PixelData = bytes((row + column) * 255 // (2 * SIDE - 2) for row in range(SIDE) for column in range(SIDE))

    file = io.BytesIO()
    dcmwrite(file, ramp, enforce_file_format=True)
    return file.getvalue()


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = scheme
    code.CodeMeaning = meaning
    return code


if __name__ == "__main__":
    path = Path(__file__).with_name("gradient.dcm")
    path.write_bytes(image())
    print(f"{path.name}: {path.stat().st_size} bytes")
